import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { entry, safetensors, shard } from "../../test/hostile/case.ts";
import type { ByteSource } from "./repository.ts";
import { readHeader } from "./safetensors.ts";

interface Recorded extends ByteSource {
  readonly reads: [number, number][];
}

function memory(file: Uint8Array): Recorded {
  const reads: [number, number][] = [];
  return {
    name: "memory.safetensors",
    size: file.length,
    reads,
    read: async (offset, length) => {
      reads.push([offset, length]);
      return file.slice(offset, offset + length);
    },
  };
}

test("gives tensors in the order of their bytes, with absolute offsets", async () => {
  const header = {
    z: entry("F32", [], 12, 16),
    __metadata__: { format: "pt" },
    a: entry("BF16", [2, 3], 0, 12),
    constructor: entry("U8", [0, 4], 16, 16),
  };
  const file = safetensors(header, 16);
  const base = file.length - 16;
  expect(await readHeader(memory(file))).toEqual({
    tensors: [
      { name: "a", dtype: "BF16", shape: [2, 3], start: base, end: base + 12 },
      { name: "z", dtype: "F32", shape: [], start: base + 12, end: base + 16 },
      { name: "constructor", dtype: "U8", shape: [0, 4], start: base + 16, end: base + 16 },
    ],
    metadata: { format: "pt" },
    headerOnly: false,
    head: file.subarray(0, base),
  });
});

test("reads the writer's example of the format: padded with spaces, no metadata", async () => {
  const { tensors, metadata } = await readHeader(
    memory(safetensors(`${JSON.stringify({ a: entry("F16", [1], 0, 2) })}     `, 2)),
  );
  expect(tensors).toHaveLength(1);
  expect(metadata).toEqual({});
});

test("reads a short header at once and a long one in two reads, and no weight beyond 64 KiB", async () => {
  const short = memory(shard("w"));
  await readHeader(short);
  expect(short.reads).toEqual([[0, short.size]]);
  const names = Array.from({ length: 2000 }, (_, i) => `model.layers.${i}.self_attn.q_proj.weight`);
  const file = shard(...names);
  const long = memory(file);
  const { tensors } = await readHeader(long);
  expect(tensors.map(({ name }) => name)).toEqual(names);
  const headerEnd = file.length - 8 * names.length;
  expect(long.reads).toEqual([
    [0, 65536],
    [65536, headerEnd - 65536],
  ]);
});

test("a header without its data is for planning only", async () => {
  const file = shard("w").subarray(0, -8);
  expect(await readHeader(memory(file), { allowHeaderOnly: true })).toMatchObject({
    headerOnly: true,
    tensors: [{ name: "w" }],
  });
  await expect(readHeader(memory(file))).rejects.toThrow(
    `truncated: expected ${file.length + 8} bytes, got ${file.length}`,
  );
  for (const cut of [1, 7]) {
    const part = shard("w").subarray(0, -cut);
    await expect(readHeader(memory(part), { allowHeaderOnly: true })).rejects.toThrow("truncated");
  }
});

test("a whole file is no bare header even if planning allows one", async () => {
  expect(await readHeader(memory(shard("w")), { allowHeaderOnly: true })).toMatchObject({
    headerOnly: false,
  });
  const empty = safetensors({ w: entry("BF16", [0], 0, 0) });
  expect(await readHeader(memory(empty), { allowHeaderOnly: true })).toMatchObject({
    headerOnly: false,
  });
});

const models = [
  "nemotron-nano-tiny",
  "random-tiny/llama",
  "random-tiny/qwen3",
  "random-tiny/qwen3_moe",
  "random-tiny/nemotron_h",
];

test.each(models)("reads %s as a plain JSON reader would", async (model) => {
  const file = await readFile(
    new URL(`../../test/models/${model}/model.safetensors`, import.meta.url),
  );
  const length = Number(file.readBigUInt64LE(0));
  const { __metadata__, ...plain } = JSON.parse(file.toString("utf8", 8, 8 + length));
  const { tensors, metadata, headerOnly } = await readHeader(memory(file));
  expect(metadata).toEqual(__metadata__);
  expect(headerOnly).toBe(false);
  const relative = tensors.map(({ name, dtype, shape, start, end }) => [
    name,
    { dtype, shape, data_offsets: [start - 8 - length, end - 8 - length] },
  ]);
  expect(Object.fromEntries(relative)).toEqual(plain);
});

test("a pointer of Git LFS is named as what it is", async () => {
  const text = `version https://git-lfs.github.com/spec/v1\noid sha256:${"0".repeat(64)}\nsize 5\n`;
  const pointer = readHeader(memory(new TextEncoder().encode(text)));
  await expect(pointer).rejects.toMatchObject({
    code: "BAD_CHECKPOINT",
    message: expect.stringMatching(/is a pointer of Git LFS/),
    hint: expect.stringMatching(/git lfs pull/),
  });
});
