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
