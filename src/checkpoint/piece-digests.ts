import { createHash } from "node:crypto";
import { pieces } from "../ground/pieces.ts";

/** Pieces are not longer. The digests of a file then take a 32,768th of its size. */
export const pieceBytes = 1 << 20;

/** Digests of pieces that follow one another, from number `first` on. */
export interface DigestRun {
  readonly first: number;
  /** 32 bytes each, in base64. */
  readonly digests: string;
}

/**
 * The data of a shard in pieces of at most 1 MiB, none of which has bytes of two tensors, and the
 * SHA-256 of each piece that was read.
 */
export class PieceDigests {
  /** Where the pieces start, and the end of the last. */
  readonly starts: readonly number[];
  readonly #digests: Buffer;
  readonly #known: Uint8Array;

  /** `bounds`: where tensors start, in rising order, and the end of the last. */
  constructor(bounds: readonly number[]) {
    const end = bounds.at(-1)!;
    this.starts = [
      ...bounds.slice(0, -1).flatMap((start, i) => {
        return pieces(bounds[i + 1]! - start, pieceBytes).map(([from]) => start + from);
      }),
      end,
    ];
    this.#digests = Buffer.alloc(32 * this.count);
    this.#known = new Uint8Array(this.count);
  }

  get count(): number {
    return this.starts.length - 1;
  }

  /** The piece with the byte at `offset`; `count` for the end. */
  at(offset: number): number {
    let [low, high] = [0, this.count];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.starts[middle + 1]! <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * The end of a group of pieces that starts with `first`: all that fit into `most` bytes, but at
   * least one, up to the first that reaches `end`.
   */
  group(first: number, most: number, end = this.starts[this.count]!): number {
    const fits = (last: number) => this.starts[last + 1]! - this.starts[first]! <= most;
    let last = first + 1;
    while (last < this.count && this.starts[last]! < end && fits(last)) last++;
    return last;
  }

  /** The digests of these pieces, which are known, in runs. */
  runsOf(wanted: (piece: number) => boolean): DigestRun[] {
    const runs: DigestRun[] = [];
    for (let first = 0; first < this.count; first++) {
      let end = first;
      while (end < this.count && this.#known[end] === 1 && wanted(end)) end++;
      if (end === first) continue;
      const digests = this.#digests.subarray(32 * first, 32 * end).toString("base64");
      runs.push({ first, digests });
      first = end;
    }
    return runs;
  }

  /** Whether a run is of this shard and contradicts nothing that is known. */
  agrees(run: DigestRun): boolean {
    const { bytes, pieces } = this.#placesOf(run);
    return (
      bytes.length === 32 * pieces.length &&
      pieces.length > 0 &&
      pieces.every((piece, i) => {
        const own = this.#digests.subarray(32 * piece, 32 * (piece + 1));
        return this.#known[piece] === 0 || own.equals(bytes.subarray(32 * i, 32 * (i + 1)));
      })
    );
  }

  /** Takes over the digests of a run that agrees. Gives its pieces. */
  take(run: DigestRun): readonly number[] {
    const { bytes, pieces } = this.#placesOf(run);
    bytes.copy(this.#digests, 32 * run.first);
    for (const piece of pieces) this.#known[piece] = 1;
    return pieces;
  }

  #placesOf({ first, digests }: DigestRun): { bytes: Buffer; pieces: readonly number[] } {
    const bytes = Buffer.from(digests, "base64");
    const count = Math.min(Math.floor(bytes.length / 32), Math.max(0, this.count - first));
    return { bytes, pieces: Array.from({ length: count }, (_, i) => first + i) };
  }

  /** Whether a piece has a digest. */
  knows(piece: number): boolean {
    return this.#known[piece] === 1;
  }

  /** Forgets what a piece has. */
  forget(piece: number): void {
    this.#known[piece] = 0;
  }

  /** Whether the piece has these bytes, as far as is known; the first time they become known. */
  admit(piece: number, bytes: Uint8Array): boolean {
    const digest = digestOf(bytes);
    const place = this.#digests.subarray(32 * piece, 32 * (piece + 1));
    if (this.#known[piece] === 1) return place.equals(digest);
    place.set(digest);
    this.#known[piece] = 1;
    return true;
  }
}

export function digestOf(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}
