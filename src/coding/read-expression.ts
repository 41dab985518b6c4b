/** A regular expression as a tree. */
export type Tree =
  | { readonly kind: "one"; readonly ranges: readonly Range[]; readonly isNot: boolean }
  | { readonly kind: "start" | "end" }
  | { readonly kind: "edge"; readonly isNot: boolean }
  | { readonly kind: "ahead"; readonly part: Tree; readonly isNot: boolean }
  | { readonly kind: "sequence" | "choice"; readonly parts: readonly Tree[] }
  | { readonly kind: "repeat"; readonly part: Tree; readonly least: number; readonly most: number };

/** First and last code of characters. */
type Range = readonly [number, number];

/** Longer than any real one. */
const longest = 1000;
/** Groups within each other; the limit keeps the recursion from filling the stack. */
const deepest = 50;

const sets: Readonly<Record<string, readonly Range[]>> = {
  d: [[0x30, 0x39]],
  w: [
    [0x30, 0x39],
    [0x41, 0x5a],
    [0x5f, 0x5f],
    [0x61, 0x7a],
  ],
  s: [
    [0x09, 0x0d],
    [0x20, 0x20],
  ],
};
const newline: readonly Range[] = [[0x0a, 0x0a]];
const escapes: Readonly<Record<string, Tree>> = {
  A: { kind: "start" },
  Z: { kind: "end" },
  b: { kind: "edge", isNot: false },
  B: { kind: "edge", isNot: true },
};

/**
 * Reads a regular expression in Python's syntax: characters, classes, groups, choices, repeats,
 * anchors and lookaheads. Null: it has something else, such as a reference back, or is malformed.
 */
export function readExpression(text: string): Tree | null {
  if (text.length > longest) return null;
  try {
    return new Reader(text).whole();
  } catch (error) {
    if (error instanceof Unreadable) return null;
    throw error;
  }
}

/** `*`, `?` and `[…]` of Python's `fnmatch`, which match whole names. Null: malformed. */
export function readWildcards(text: string): Tree | null {
  const parts = [...text.matchAll(/\[!?\]?[^\]]*\]|[\s\S]/g)].map(([part]) => {
    if (part === "*") return ".*";
    if (part === "?") return ".";
    const isClass = part.length > 1;
    if (isClass) return part.replace("[^", "[\\^").replace("[!", "[^");
    return part.replace(/[^\w]/, "\\$&");
  });
  return readExpression(`${parts.join("")}\\Z`);
}

class Unreadable extends Error {}

class Reader {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): Tree {
    const tree = this.#choice();
    if (this.#at < this.#text.length) throw new Unreadable();
    return tree;
  }

  #choice(): Tree {
    const parts = [this.#sequence()];
    while (this.#takes("|")) parts.push(this.#sequence());
    return parts.length === 1 ? parts[0]! : { kind: "choice", parts };
  }

  #sequence(): Tree {
    const parts: Tree[] = [];
    while (this.#at < this.#text.length && !"|)".includes(this.#text[this.#at]!))
      parts.push(this.#repeated());
    return { kind: "sequence", parts };
  }

  #repeated(): Tree {
    const part = this.#single();
    const counts = this.#counts();
    if (counts === null) return part;
    const [least, most] = counts;
    if (least > most || part.kind === "start" || part.kind === "end") throw new Unreadable();
    // How greedy it is does not change whether it matches. Possessive repeats are another thing.
    this.#takes("?");
    if (/^[*+]|^\{\d*,?\d*\}/.test(this.#rest())) throw new Unreadable();
    return { kind: "repeat", part, least, most };
  }

  #counts(): Range | null {
    if (this.#takes("*")) return [0, Number.POSITIVE_INFINITY];
    if (this.#takes("+")) return [1, Number.POSITIVE_INFINITY];
    if (this.#takes("?")) return [0, 1];
    const found = /^\{(\d{0,4})(,?)(\d{0,4})\}/.exec(this.#rest());
    // Python takes other braces for themselves.
    if (found === null || found[0] === "{}") return null;
    const [all, least = "", comma, most = ""] = found;
    this.#at += all.length;
    const last = comma === "" ? Number(least) : Number.POSITIVE_INFINITY;
    return [Number(least), most === "" ? last : Number(most)];
  }

  #single(): Tree {
    if (this.#takes("(")) return this.#group();
    if (this.#takes("[")) return this.#class();
    if (this.#takes("^")) return { kind: "start" };
    if (this.#takes("$")) return { kind: "end" };
    if (this.#takes(".")) return { kind: "one", ranges: newline, isNot: true };
    if (/^[*+?]/.test(this.#rest())) throw new Unreadable();
    if (!this.#takes("\\")) return character(this.#next());
    const name = this.#next();
    return escapes[name] ?? escaped(name);
  }

  #group(): Tree {
    if (++this.#depth > deepest) throw new Unreadable();
    const named = /^\?P<\w+>/.exec(this.#rest())?.[0];
    const start = named ?? ["?:", "?=", "?!"].find((mark) => this.#rest().startsWith(mark)) ?? "";
    this.#at += start.length;
    if (this.#rest().startsWith("?")) throw new Unreadable();
    const part = this.#choice();
    if (!this.#takes(")")) throw new Unreadable();
    this.#depth--;
    if (start === "?=" || start === "?!") return { kind: "ahead", part, isNot: start === "?!" };
    return part;
  }

  #class(): Tree {
    const isNot = this.#takes("^");
    const ranges: Range[] = [];
    do {
      const first = this.#member();
      if (this.#rest().startsWith("-") && this.#text[this.#at + 1] !== "]") {
        this.#at++;
        const last = this.#member();
        const ends = [...first, ...last].flat();
        // Sets such as \d have no place in the order.
        if (new Set(ends).size > 2 || ends.length > 4) throw new Unreadable();
        const range: Range = [first[0]![0], last[0]![0]];
        if (range[0] > range[1]) throw new Unreadable();
        ranges.push(range);
      } else ranges.push(...first);
    } while (!this.#takes("]"));
    return { kind: "one", ranges, isNot };
  }

  #member(): readonly Range[] {
    const tree = this.#takes("\\") ? escaped(this.#next()) : character(this.#next());
    if (tree.kind !== "one" || tree.isNot) throw new Unreadable();
    return tree.ranges;
  }

  #rest(): string {
    return this.#text.slice(this.#at);
  }

  #takes(mark: string): boolean {
    if (this.#text[this.#at] !== mark) return false;
    this.#at++;
    return true;
  }

  #next(): string {
    const next = this.#text[this.#at++];
    if (next === undefined) throw new Unreadable();
    return next;
  }
}

/** What a letter or mark behind a backslash stands for. */
function escaped(name: string): Tree {
  const set = sets[name.toLowerCase()];
  if (set !== undefined) return { kind: "one", ranges: set, isNot: name !== name.toLowerCase() };
  // Other letters and digits have other meanings, such as references back.
  if (/\w/.test(name)) throw new Unreadable();
  return character(name);
}

function character(one: string): Tree {
  const code = one.charCodeAt(0);
  return { kind: "one", ranges: [[code, code]], isNot: false };
}
