import { OqeError } from "../ground/errors.ts";

/** A piece of a file of which only parts were read so far. */
interface Open {
  readonly bytes: Uint8Array;
  /** Parts that were read, `[from, to)` within the piece. */
  filled: (readonly [from: number, to: number])[];
}

/** A part of a piece of `size` bytes, that starts at `from` in it. */
export interface Part {
  readonly piece: number;
  readonly size: number;
  readonly from: number;
  readonly bytes: Uint8Array;
}

/** Puts pieces together that were read in parts, in any order. */
export class PieceParts {
  readonly #open = new Map<number, Open>();

  /** Pieces of which parts are missing, the first begun first. */
  get pieces(): readonly number[] {
    return [...this.#open.keys()];
  }

  /** Whether a part of a piece is here. */
  has(piece: number): boolean {
    return this.#open.has(piece);
  }

  /** Adds a part. Gives the piece when nothing is missing. Throws NETWORK as `compare` does. */
  add({ piece, size, from, bytes }: Part): Uint8Array | null {
    const open = this.#open.get(piece) ?? { bytes: new Uint8Array(size), filled: [] };
    this.#open.set(piece, open);
    const to = from + bytes.length;
    for (const [start, end] of open.filled) {
      const [a, b] = [Math.max(start, from), Math.min(end, to)];
      if (a < b) requireEqual(open.bytes.subarray(a, b), bytes.subarray(a - from, b - from));
    }
    open.bytes.set(bytes, from);
    open.filled = merge([...open.filled, [from, to]]);
    const isWhole = open.filled.length === 1 && open.filled[0]![1] - open.filled[0]![0] === size;
    if (!isWhole) return null;
    this.#open.delete(piece);
    return open.bytes;
  }

  /** Compares the parts of a piece with the whole piece, and forgets them. Throws NETWORK. */
  compare(piece: number, whole: Uint8Array): void {
    const open = this.#open.get(piece);
    if (open === undefined) return;
    for (const [from, to] of open.filled)
      requireEqual(open.bytes.subarray(from, to), whole.subarray(from, to));
    this.#open.delete(piece);
  }
}

function requireEqual(one: Uint8Array, other: Uint8Array): void {
  if (Buffer.compare(one, other) === 0) return;
  throw new OqeError("NETWORK", "the same bytes were read twice and differ");
}

function merge(parts: Open["filled"]): Open["filled"] {
  const merged: [number, number][] = [];
  for (const [from, to] of parts.sort(([a], [b]) => a - b)) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged;
}
