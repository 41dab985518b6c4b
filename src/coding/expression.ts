import { quote } from "../checkpoint/json.ts";
import { OqeError } from "../ground/errors.ts";
import { readExpression, readWildcards, type Tree } from "./read-expression.ts";

/**
 * What one expression may cost over all names. Each name of the largest real checkpoint (41,000
 * modules) costs some hundreds; an expression of a hostile config may cost their square.
 */
const mostSteps = 40_000_000;
/** No tensor has a longer name. */
const longestName = 512;

/** A regular expression of a base's config, which anybody may have written. */
export class Expression {
  readonly #text: string;
  readonly #tree: Tree;
  #steps = 0;

  private constructor(text: string, tree: Tree) {
    this.#text = text;
    this.#tree = tree;
  }

  /** Reads Python's syntax; null: some of it is not known here. */
  static read(text: string): Expression | null {
    const tree = readExpression(text);
    return tree === null ? null : new Expression(text, tree);
  }

  /** Reads the syntax of Python's `fnmatch`, for whole names; null: it is malformed. */
  static wildcards(text: string): Expression | null {
    const tree = readWildcards(text);
    return tree === null ? null : new Expression(text, tree);
  }

  /**
   * Whether it matches the beginning of a name, as Python's `re.match` does. No expression makes
   * this exponential: it follows all places in the name at once and never goes back.
   * Throws BAD_CHECKPOINT where an expression costs more than any real one.
   */
  matches(name: string): boolean {
    return name.length <= longestName && this.#ends(this.#tree, new Set([0]), name).size > 0;
  }

  /** Where a match may end that begins at one of these places. */
  #ends(tree: Tree, starts: ReadonlySet<number>, name: string): ReadonlySet<number> {
    this.#steps += 1 + starts.size;
    if (this.#steps > mostSteps) throw tooSlow(this.#text);
    if (starts.size === 0) return starts;
    const keep = (isKept: (at: number) => boolean) => new Set([...starts].filter(isKept));
    switch (tree.kind) {
      case "one":
        return new Set([...keep((at) => isOne(tree, name.charCodeAt(at)))].map((at) => at + 1));
      case "start":
        return keep((at) => at === 0);
      case "end":
        return keep((at) => at === name.length);
      case "edge":
        return keep((at) => (isWord(name, at - 1) !== isWord(name, at)) !== tree.isNot);
      case "ahead":
        return keep((at) => this.#ends(tree.part, new Set([at]), name).size > 0 !== tree.isNot);
      case "sequence":
        return tree.parts.reduce((at, part) => this.#ends(part, at, name), starts);
      case "choice":
        return new Set(tree.parts.flatMap((part) => [...this.#ends(part, starts, name)]));
      case "repeat":
        return this.#repeat(tree, starts, name);
    }
  }

  #repeat(
    { part, least, most }: Extract<Tree, { kind: "repeat" }>,
    starts: ReadonlySet<number>,
    name: string,
  ): ReadonlySet<number> {
    let last = starts;
    for (let i = 0; i < least; i++) {
      const next = this.#ends(part, last, name);
      // More of them would change nothing.
      if (next.size === last.size && [...next].every((at) => last.has(at))) break;
      last = next;
    }
    const all = new Set(last);
    for (let i = least; i < most && last.size > 0; i++) {
      last = new Set([...this.#ends(part, last, name)].filter((at) => !all.has(at)));
      for (const at of last) all.add(at);
    }
    return all;
  }
}

function isOne({ ranges, isNot }: Extract<Tree, { kind: "one" }>, code: number): boolean {
  // Beyond the end.
  if (Number.isNaN(code)) return false;
  return ranges.some(([first, last]) => first <= code && code <= last) !== isNot;
}

function isWord(name: string, at: number): boolean {
  return /\w/.test(name.charAt(at));
}

function tooSlow(text: string): OqeError {
  return new OqeError(
    "BAD_CHECKPOINT",
    `the expression ${quote(text)} of the quantization settings takes too long on these names`,
    "Write it without repeats within repeats.",
  );
}
