import { quote } from "../checkpoint/json.ts";
import { Expression } from "./expression.ts";
import type { Refuse } from "./scheme.ts";

/** Expressions of a config that are compared with every module. Real configs have a handful. */
const mostExpressions = 200;

/** The mark of compressed-tensors before a regular expression. */
const mark = "re:";
export const known =
  "short expressions of characters, classes, groups, repeats and anchors, without lookbehinds, " +
  "and lookaheads only at the beginning";

/** The names that settings may use for a module: those of vLLM and of transformers' newer files. */
export function spellingsOf(module: string): readonly string[] {
  const pairs = [
    ["model.language_model.", "language_model.model."],
    ["language_model.model.", "model.language_model."],
    ["language_model.lm_head", "lm_head"],
  ] as const;
  const others = pairs.flatMap(([from, to]) => {
    return module.startsWith(from) ? [to + module.slice(from.length)] : [];
  });
  return [module, ...others];
}

/** A regular expression of compressed-tensors; null: the text is a plain name. */
export function expressionOf(text: string, refuse: Refuse): Expression | null {
  if (!text.startsWith(mark)) return null;
  const found = Expression.read(text.slice(mark.length));
  return found ?? refuse(`the expression ${quote(text)}`, known);
}

/** A name with the wildcards of Python's `fnmatch`. */
export function wildcardsOf(text: string, refuse: Refuse): Expression {
  return Expression.wildcards(text) ?? refuse(`the wildcards ${quote(text)}`, "*, ? and [...]");
}

/** Throws for more expressions than any real config has. */
export function limitExpressions(count: number, refuse: Refuse): void {
  if (count > mostExpressions) refuse(`${count} expressions`, `${mostExpressions} at most`);
}
