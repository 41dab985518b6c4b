import { RE2JS, RE2JSException, RE2Set } from "re2js";
import { quote } from "../checkpoint/json.ts";
import { OqeError } from "../ground/errors.ts";

/** Longer than any real expression. */
const longest = 1000;
/** Instructions of an expression: one for each letter or class. Repeats multiply them. */
const mostInstructions = 1000;
/**
 * States of the library's automaton over all names. Real expressions need some tens. A hostile one
 * may need another state for each letter of each name, at the price of all its instructions. With
 * these limits an expression takes less memory than the library allows itself (8 MB), so that it
 * never begins anew.
 */
const mostStates = 500;
/** Modules have such names. On these `\w`, `\s`, `.`, `$` and `\B` of Python and RE2 agree. */
const plainName = /^[ -~]{1,256}$/;

/**
 * The parts of an expression. What Python and RE2 read alike stays as it is; `{,2}` and `\Z` have
 * another spelling; what matches none of these is read by one of them only, or differently.
 */
const part = new RegExp(
  [
    String.raw`\{(?!\})(?<least>\d*)(?<comma>,?)(?<most>\d*)\}`,
    // Python refuses to repeat a place, and RE2 does not.
    String.raw`(?:[$^]|\\[AbB]|(?<end>\\Z))(?![*+?]|\{(?!\})\d*,?\d*\})`,
    String.raw`\((?!\?)|\(\?:|\(\?P<[A-Za-z_]\w*>`,
    String.raw`\[\^?\]?(?:\\[dDsSwW](?!-[^\]])|\\[ -\/:-@[-\x60{-~]|(?!\[:)[ -[^-~])*\]`,
    String.raw`\\[dDsSwW]|\\[ -\/:-@[-\x60{-~]`,
    String.raw`(?![\\[($^])[ -~]`,
    String.raw`(?<unlike>[\s\S])`,
  ].join("|"),
  "g",
);

/** What has to match the beginning of a name, or must not. */
interface Term {
  readonly set: RE2Set;
  readonly isWanted: boolean;
}

/** A regular expression of a base's config, which anybody may have written. */
export class Expression {
  readonly #text: string;
  readonly #terms: readonly Term[];

  private constructor(text: string, terms: readonly Term[]) {
    this.#text = text;
    this.#terms = terms;
  }

  /**
   * Reads what Python's `re` and RE2 have in common, and lookaheads at the beginning. Null: it has
   * something else, such as a reference back, a flag or a possessive repeat, or is malformed or too
   * large.
   */
  static read(text: string): Expression | null {
    const terms = text.length > longest ? null : readTerms(text);
    return terms === null ? null : new Expression(text, terms);
  }

  /**
   * Reads the syntax of Python's `fnmatch`, for whole names. Null: it has a range that ends before
   * it begins, or is too large.
   */
  static wildcards(text: string): Expression | null {
    if (text.length > longest) return null;
    const parts = text.replace(
      /\[(!|(?!!))(\][^\]]*|[^\]]+)\]|[\s\S]/g,
      (one, isNot: string, members?: string) => {
        if (members !== undefined) return `[${isNot && "^"}${members.replace(/[^\w-]/g, "\\$&")}]`;
        if (one === "*") return ".*";
        return one === "?" ? "." : RE2JS.quote(one);
      },
    );
    return Expression.read(`${parts}\\Z`);
  }

  /**
   * Whether it matches the beginning of a name, as Python's `re.match` does. The library follows
   * all places in the expression at once, so the time is linear in the name.
   * Throws BAD_CHECKPOINT where an expression costs more than any real one.
   */
  matches(name: string): boolean {
    if (!plainName.test(name)) return false;
    return this.#terms.every(({ set, isWanted }) => {
      const isMatch = set.match(name).length > 0;
      if (set.dfa.stateCount > mostStates) throw tooSlow(this.#text);
      return isMatch === isWanted;
    });
  }
}

/** Lookaheads at the beginning of an expression, and what follows; null: some cannot be read. */
function readTerms(text: string): Term[] | null {
  const terms: Term[] = [];
  let rest = text;
  for (;;) {
    const start = /^\^?\(\?[=!]/.exec(rest)?.[0];
    const inside = rest.slice(start?.length ?? 0);
    const end = start === undefined ? inside.length : endOfGroup(inside);
    const set = compile(inside.slice(0, end));
    if (set === null || end < 0) return null;
    terms.push({ set, isWanted: !start?.endsWith("!") });
    if (start === undefined) return terms;
    rest = inside.slice(end + 1);
  }
}

/**
 * Where the open group ends. -1: nowhere, or it belongs to the first of several choices only, or
 * it names a group, which could have the name of one behind it.
 */
function endOfGroup(text: string): number {
  let end = -1;
  let depth = 0;
  for (const { 0: one, index } of text.matchAll(part)) {
    if (one.startsWith("(")) depth++;
    if (one === ")") depth--;
    if (depth < 0 && end < 0) end = index;
    if (end < 0 ? one.startsWith("(?P") : depth < 0 && one === "|") return -1;
  }
  return end;
}

function compile(text: string): RE2Set | null {
  const translated = translate(text);
  if (translated === null) return null;
  const set = new RE2Set(RE2Set.ANCHOR_START);
  try {
    set.add(translated);
    set.compile();
  } catch (error) {
    if (error instanceof RE2JSException) return null;
    throw error;
  }
  return set.prog.numInst() > mostInstructions ? null : set;
}

/** Python's syntax in that of RE2; null: they do not have it in common. */
function translate(text: string): string | null {
  let isAlike = true;
  const translated = text.replace(part, (all, ...rest) => {
    const { least, comma, most, end, unlike } = rest.at(-1) as Record<string, string | undefined>;
    if (unlike !== undefined) isAlike = false;
    if (end !== undefined) return "\\z";
    // RE2 takes `{,2}` and `{02}` for letters.
    return least === undefined ? all : `{${decimal(least)}${comma}${most && decimal(most)}}`;
  });
  return isAlike ? translated : null;
}

function decimal(digits: string): string {
  return digits.replace(/^0+(?=.)/, "") || "0";
}

function tooSlow(text: string): OqeError {
  return new OqeError(
    "BAD_CHECKPOINT",
    `the expression ${quote(text)} of the quantization settings takes too long on these names`,
    "Write it with fewer repeats.",
  );
}
