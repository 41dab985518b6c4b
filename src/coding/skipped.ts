import type { Expression } from "./expression.ts";
import { spellingsOf } from "./names.ts";

/** Modules that a base names as not quantized. */
export interface Skipped {
  readonly modules: ReadonlySet<string>;
  /** Each stands for the modules below it too, or for all whose names end with it. */
  readonly under: ReadonlySet<string>;
  /** The same with `*` for any characters. */
  readonly patterns: readonly string[];
  readonly expressions: readonly Expression[];
}

/**
 * Whether a module is named as not quantized. `under` and `patterns` as transformers'
 * `should_convert_module`: from the start of a name up to the end of a part (`mlp.gate` is not
 * `mlp.gate_proj`), or what stands at its end (`gate` is `mlp.shared_expert_gate` too).
 */
export function isSkipped(skipped: Skipped, module: string): boolean {
  return spellingsOf(module).some((name) => isNamed(skipped, name));
}

function isNamed({ modules, under, patterns, expressions }: Skipped, module: string): boolean {
  if (modules.has(module)) return true;
  const parts = module.split(".");
  const cuts = parts.flatMap((_, at) => [parts.slice(0, at + 1), parts.slice(at)]);
  if (cuts.some((some) => under.has(some.join(".")))) return true;
  const last = parts.at(-1)!;
  if ([...last].some((_, at) => under.has(last.slice(at)))) return true;
  if (expressions.some((expression) => expression.matches(module))) return true;
  return patterns.some((pattern) => isMatch(pattern.replaceAll(".*", "*").split("*"), module));
}

/** Whether a name has these texts in this order, the first at its start, the last before a dot. */
function isMatch(texts: readonly string[], name: string): boolean {
  let end = 0;
  for (const [i, text] of texts.entries()) {
    let at = name.indexOf(text, end);
    const isLast = i === texts.length - 1;
    while (isLast && text !== "" && at >= 0 && !isBoundary(name, at + text.length))
      at = name.indexOf(text, at + 1);
    if (at < 0 || (i === 0 && at > 0)) return false;
    end = at + text.length;
  }
  return true;
}

function isBoundary(name: string, at: number): boolean {
  return at === name.length || name[at] === "." || name[at - 1] === ".";
}

/** Joins what several places say. */
export function joinSkipped(all: readonly Skipped[]): Skipped {
  return {
    modules: new Set(all.flatMap(({ modules }) => [...modules])),
    under: new Set(all.flatMap(({ under }) => [...under])),
    patterns: [...new Set(all.flatMap(({ patterns }) => patterns))],
    expressions: all.flatMap(({ expressions }) => expressions),
  };
}
