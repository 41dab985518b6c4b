import { quote } from "../checkpoint/json.ts";
import { Expression } from "./expression.ts";
import { modelOptFields } from "./model-opt.ts";
import { expressionOf, known, limitExpressions, wildcardsOf } from "./names.ts";
import type { Fields, Refuse } from "./scheme.ts";
import type { Skipped } from "./skipped.ts";

const nothing: Skipped = {
  modules: new Set(),
  under: new Set(),
  patterns: [],
  expressions: [],
};

/** The modules that settings name as not quantized. Each method has lists of its own kind. */
export function skippedBy(method: string, settings: Fields, refuse: Refuse): Skipped {
  if (method === "compressed-tensors") return byCompressedTensors(settings, refuse);
  if (method === "modelopt") return byModelOpt(modelOptFields(settings), refuse);
  const listed = namesIn(settings.modules_to_not_convert);
  const under = listed.filter((name) => !signs.test(name));
  return {
    ...nothing,
    modules: new Set([...namesIn(settings.ignored_layers), ...namesIn(settings.ignore)]),
    under: new Set(under.filter((name) => !name.includes("*"))),
    patterns: under.filter((name) => name.includes("*")),
    expressions: boundedExpressions(listed, refuse),
  };
}

/** Signs of a regular expression that no name has. */
const signs = /[\\^$|()[\]{}?+]/;

/** transformers takes each entry for an expression that matches a name up to the end of a part. */
function boundedExpressions(listed: readonly string[], refuse: Refuse) {
  const texts = listed.filter((name) => signs.test(name));
  limitExpressions(texts.length, refuse);
  return texts.map((text) => {
    // Alone too, because brackets around `a)|(b` would make pairs.
    const found = Expression.read(text) && Expression.read(`(?:${text})(?:\\.|$)`);
    return found ?? refuse(`the expression ${quote(text)}`, known);
  });
}

/** Whole names, and regular expressions behind `re:`. Names of classes match no module's name. */
function byCompressedTensors({ ignore }: Fields, refuse: Refuse): Skipped {
  const names = namesIn(ignore);
  const expressions = names.flatMap((name) => expressionOf(name, refuse) ?? []);
  limitExpressions(expressions.length, refuse);
  return { ...nothing, modules: new Set(names), expressions };
}

/**
 * Names with wildcards, under another key in each of ModelOpt's two files. It writes `<module>*`
 * for a module and all below it, so `layers.1*` does not stand for `layers.11`.
 */
function byModelOpt({ exclude_modules: excluded, ignore }: Fields, refuse: Refuse): Skipped {
  const names = [...namesIn(excluded), ...namesIn(ignore)].map((name) => {
    const isTree = /[^.*]\*$/.test(name);
    return isTree ? { name: name.slice(0, -1), isTree } : { name, isTree };
  });
  const isPlain = ({ name }: { readonly name: string }) => !/[*?[]/.test(name);
  const wild = names.filter((one) => !isPlain(one));
  const texts = wild.flatMap(({ name, isTree }) => (isTree ? [name, `${name}.*`] : [name]));
  limitExpressions(texts.length, refuse);
  return {
    ...nothing,
    under: new Set(names.filter(isPlain).map(({ name }) => name)),
    expressions: [...new Set(texts)].map((text) => wildcardsOf(text, refuse)),
  };
}

function namesIn(list: unknown): string[] {
  const names = Array.isArray(list) ? list : [];
  return names.filter((name): name is string => typeof name === "string");
}
