import { type ContentHash, startHash } from "./content-hash.ts";
import { digestOf, type PieceDigests } from "./piece-digests.ts";
import type { ByteSource } from "./repository.ts";

/** Bytes that are read at once only to be hashed. */
export const gapBytes = 32 << 20;

/** A shard that was opened. */
export interface OpenedShard {
  readonly source: ByteSource;
  readonly listed: ContentHash;
  /** Its bytes up to the first tensor. */
  readonly head: Uint8Array;
  /** Where its tensors start, in rising order, and the end of the last: the end of the file. */
  readonly bounds: readonly number[];
}

/** What is known of a shard, and how it is read. */
interface WholeRequest {
  readonly source: Pick<ByteSource, "size">;
  readonly listed: ContentHash;
  readonly pieces: PieceDigests;
  /** Whether somebody read bytes of a piece. */
  readonly used: Uint8Array;
  readonly headDigest: Buffer;
  readonly read: ByteSource["read"];
}

export interface WholeReading {
  /** The hash of the file, in hexadecimal. */
  readonly found: string;
  /** Where pieces start that were used and have another digest. */
  readonly wrong: readonly number[];
}

/** Reads a whole shard and compares its pieces with their digests. */
export async function readWhole({
  source,
  listed,
  pieces,
  used,
  headDigest,
  read,
}: WholeRequest): Promise<WholeReading> {
  const { starts, count } = pieces;
  const head = await read(0, starts[0]!);
  const hash = startHash(listed, source.size).update(head);
  const wrong = digestOf(head).equals(headDigest) ? [] : [0];
  for (let first = 0; first < count; ) {
    const last = pieces.group(first, gapBytes);
    const from = starts[first]!;
    const bytes = await read(from, starts[last]! - from);
    hash.update(bytes);
    for (; first < last; first++) {
      const piece = bytes.subarray(starts[first]! - from, starts[first + 1]! - from);
      if (used[first] === 0) pieces.forget(first);
      if (!pieces.admit(first, piece)) wrong.push(starts[first]!);
    }
  }
  return { found: hash.digest("hex"), wrong };
}
