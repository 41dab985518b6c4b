import { createHash } from "node:crypto";
import { expect } from "vitest";
import { HeldRuns } from "../../src/checkpoint/held-runs.ts";
import { ShardProof } from "../../src/checkpoint/shard-proof.ts";

export const mebibyte = 1 << 20;
const head = Buffer.from("a header of some bytes");
/** Sizes of the tensors: one of several pieces, small ones, an empty one. */
export const sizes = [2.5 * mebibyte, 1000, 0, mebibyte, 300_000, 1.25 * mebibyte];
export const starts = sizes.map(
  (_, i) => head.length + sizes.slice(0, i).reduce((a, b) => a + b, 0),
);
export const size = head.length + sizes.reduce((a, b) => a + b, 0);
export const file = Buffer.alloc(size);
for (let i = 0; i < size; i++) file[i] = (i * i * 31 + (i >> 9)) & 255;
head.copy(file);
export const forwards = sizes.map((_, i) => i);

type Flip = { at: number; times: number };

/** A shard in memory that counts the bytes it gives, waits, and flips a bit of one if told to. */
export function openShard({
  held = new HeldRuns(),
  flips = [] as Flip[],
  algorithm = "sha256",
  wait = async (_offset: number) => {},
} = {}) {
  let given = 0;
  let again = 0;
  const read = async (offset: number, length: number, into?: Uint8Array) => {
    const bytes = into ?? new Uint8Array(length);
    await wait(offset);
    file.copy(bytes, 0, offset, offset + length);
    for (const flip of flips) {
      if (flip.times === 0 || flip.at < offset || flip.at >= offset + length) continue;
      flip.times--;
      bytes[flip.at - offset]! ^= 1;
    }
    return bytes;
  };
  const source = {
    name: "acme/m@c/model.safetensors",
    size,
    read: (...range: Parameters<typeof read>) => {
      given += range[1];
      return read(...range);
    },
    readAgain: (...range: Parameters<typeof read>) => {
      again += range[1];
      return read(...range);
    },
  };
  const value = createHash("sha256").update(file).digest("hex");
  const blob = createHash("sha1").update(`blob ${size}\0`).update(file).digest("hex");
  const listed =
    algorithm === "sha256"
      ? ({ algorithm: "sha256", value } as const)
      : ({ algorithm: "git", value: blob } as const);
  const own = { source, listed, head: file.subarray(0, head.length) };
  const proof = new ShardProof({ ...own, bounds: [...starts, size] }, held);
  const tensor = (i: number) => proof.read(starts[i]!, sizes[i]!);
  const readAll = async (order = forwards) => {
    for (const i of order)
      expect(
        Buffer.compare(await tensor(i), file.subarray(starts[i], starts[i]! + sizes[i]!)),
      ).toBe(0);
  };
  return { proof, tensor, readAll, given: () => given, again: () => again };
}
/** Bytes of its tensors. */
export const data = size - head.length;
