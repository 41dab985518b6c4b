import { expect, test } from "vitest";
import { fingerprint } from "./fingerprint.ts";
import type { ByteSource } from "./repository.ts";

const block = 2 ** 18;
const most = 4 * block;

/** Fingerprint of a shard of zeros without a header; the byte at `odd` is 1. Counts bytes read. */
async function fingerprintOf(blocks: number, odd: number | null = null) {
  const size = blocks * block;
  let bytes = 0;
  const source: ByteSource = {
    name: "model.safetensors",
    size,
    read: async (offset, length, into = new Uint8Array(length)) => {
      into.fill(0);
      if (odd !== null && odd >= offset && odd < offset + length) into[odd - offset] = 1;
      bytes += length;
      return into;
    },
  };
  const files = new Map([["model.safetensors", size]]);
  return { bytes, revision: await fingerprint({ files, open: async () => source }, most) };
}

/** Numbers of the blocks in which another byte changes the fingerprint. */
async function noticed(blocks: number): Promise<number[]> {
  const { revision, bytes } = await fingerprintOf(blocks);
  expect(bytes).toBeLessThanOrEqual(most + 2 * block);
  const all = Array.from({ length: blocks }, (_, i) => i);
  const others = await Promise.all(
    all.map(async (i) => (await fingerprintOf(blocks, (i + 0.5) * block)).revision),
  );
  return all.filter((i) => others[i] !== revision);
}

test("covers all weights up to the limit, evenly spread blocks above it", async () => {
  expect(await noticed(4)).toEqual([0, 1, 2, 3]);
  // The length of the header, 8 bytes, lies before the first block.
  expect(await noticed(12)).toEqual([0, 3, 6, 9]);
});

test("above the limit, another value in a small tensor anywhere changes the fingerprint", async () => {
  // A small tensor behind every large one: 3 of 4 lie between the evenly spread blocks.
  const sizes = [4 * block, 5000, 3.5 * block, 64, 7 * block, 5000, 2.25 * block, 8];
  const starts = sizes.map((_, i) => sizes.slice(0, i).reduce((sum, size) => sum + size, 0));
  const header = Object.fromEntries(
    sizes.map((size, i) => {
      const data_offsets = [starts[i], starts[i]! + size];
      return [`tensor ${i}`, { dtype: "U8", shape: [size], data_offsets }];
    }),
  );
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const file = Buffer.concat([length, text, Buffer.alloc(starts.at(-1)! + sizes.at(-1)!)]);
  let bytes = 0;
  const source: ByteSource = {
    name: "model.safetensors",
    size: file.length,
    read: async (offset, size) => {
      bytes += size;
      return file.subarray(offset, offset + size);
    },
  };
  const files = new Map([[source.name, file.length]]);
  const revision = () => fingerprint({ files, open: async () => source }, most);
  const before = await revision();
  expect(bytes).toBeLessThan(file.length / 2);
  for (const [i, start] of starts.entries()) {
    const at = 8 + text.length + start + Math.min(sizes[i]!, block) - 1;
    file[at]! ^= 1;
    expect(await revision(), `tensor ${i}`).not.toBe(before);
    file[at]! ^= 1;
  }
  expect(await revision()).toBe(before);
});
