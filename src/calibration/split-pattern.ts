/**
 * Constructs that Oniguruma (Rust) and the library read differently, outside of classes and
 * escapes.
 */
const differing: readonly (readonly [RegExp, string])[] = [
  [/[?*+]\+/, "a possessive quantifier"],
  [/\(\?(?!:|=|!|<=|<!|i:)/, "a group of another kind than (?:, (?=, (?!, (?<=, (?<! and (?i:"],
];
/** Escapes that JavaScript reads differently or that the library drops. */
const escapes = /\\[GKRXYyOQE1-9kg]/;
/** A character class without nested ones, or an escaped character. */
const opaque = /\\(?:[pPx]\{[^}]*\}|[\s\S])|\[\^?\]?(?:\\[\s\S]|[^\]\\])*\]/g;
/** A case-insensitive group of plain letters, as all tokenizers write their contractions. */
const insensitive = /\(\?i:([^()[\]\\]*)\)/g;

/**
 * Translates an Oniguruma pattern so that the library reads it as Oniguruma does. In groups without
 * case, Oniguruma matches `ſ` with `s` and the Kelvin sign with `k`. The library does not, so both
 * are added. Throws an Error for constructs that the two read differently.
 */
export function rewritePattern(pattern: string): string {
  for (const [found] of pattern.matchAll(/\\[\s\S]/g))
    if (escapes.test(found)) throw differs(pattern, `the escape ${found}`);
  const bare = pattern.replace(opaque, "x");
  for (const [construct, name] of differing) if (construct.test(bare)) throw differs(pattern, name);
  const rewritten = pattern.replace(insensitive, (_, letters: string) => {
    const folded = letters.replace(/s/gi, "[sſ]").replace(/k/gi, "[k\u212a]");
    return `(?i:${folded})`;
  });
  if (/\(\?i:/.test(rewritten.replace(/\(\?i:[^()\\]*\)/g, "")))
    throw differs(pattern, "a case-insensitive group of more than letters");
  return rewritten;
}

function differs(pattern: string, what: string): Error {
  return new Error(`the pattern ${JSON.stringify(pattern.slice(0, 60))} has ${what}`);
}
