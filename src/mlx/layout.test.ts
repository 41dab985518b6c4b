import { expect, test } from "vitest";
import type { ByteSource } from "../checkpoint/repository.ts";
import { readHeader } from "../checkpoint/safetensors.ts";
import { indexText, layoutShards, SHARD_LIMIT } from "./layout.ts";

const tensors = [
  { name: "b.norm", dtype: "BF16", shape: [3] },
  { name: "b.weight", dtype: "U32", shape: [2, 5] },
  { name: "a.scales", dtype: "BF16", shape: [2, 1] },
  { name: "a.A_log", dtype: "F32", shape: [1] },
  { name: "a.weight", dtype: "U32", shape: [1] },
];

/** A file that has only its size and its header. */
function hollow(header: Uint8Array, size: number): ByteSource {
  return {
    name: "hollow",
    size,
    read: async (offset, length) => {
      const bytes = new Uint8Array(length);
      bytes.set(header.subarray(offset, offset + length));
      return bytes;
    },
  };
}

test("a shard has wider dtypes first, else the given order; its header is sorted", async () => {
  const [shard, ...others] = layoutShards(tensors);
  expect(others).toEqual([]);
  expect(shard!.file).toBe("model.safetensors");
  expect(shard!.tensors.map(({ name }) => name)).toEqual([
    "b.weight",
    "a.A_log",
    "a.weight",
    "b.norm",
    "a.scales",
  ]);
  expect(shard!.header.length % 8).toBe(0);
  const json = new TextDecoder().decode(shard!.header.subarray(8));
  expect(Object.keys(JSON.parse(json))).toEqual([
    "__metadata__",
    "a.A_log",
    "a.scales",
    "a.weight",
    "b.norm",
    "b.weight",
  ]);
  const header = await readHeader(hollow(shard!.header, shard!.bytes));
  expect(header.metadata).toEqual({ format: "mlx" });
  expect(header.tensors).toEqual(
    shard!.tensors.map(({ name, dtype, shape, offset, bytes }) => ({
      name,
      dtype,
      shape,
      start: offset,
      end: offset + bytes,
    })),
  );
});

test("every tensor is aligned to its elements", () => {
  const widths: Record<string, number> = { U32: 4, F32: 4, BF16: 2 };
  const odd = Array.from({ length: 50 }, (_, i) => ({
    name: `t${i}`,
    dtype: i % 3 === 0 ? "U32" : "BF16",
    shape: [1 + (i % 7)],
  }));
  for (const shard of layoutShards(odd, { shardLimit: 64 })) {
    for (const { dtype, offset } of shard.tensors) expect(offset % widths[dtype]!).toBe(0);
  }
});

test("fills shards in order; a tensor above the limit gets a shard of its own", () => {
  const sizes = [4, 4, 4, 20, 2, 8, 2];
  const many = sizes.map((size, i) => ({ name: `t${i}`, dtype: "U8", shape: [size] }));
  const shards = layoutShards(many, { shardLimit: 10 });
  expect(shards.map((shard) => shard.tensors.map(({ bytes }) => bytes))).toEqual([
    [4, 4],
    [4],
    [20],
    [2, 8],
    [2],
  ]);
  expect(shards.map(({ file }) => file)).toEqual(
    [1, 2, 3, 4, 5].map((n) => `model-0000${n}-of-00005.safetensors`),
  );
});

test("a default shard holds up to 1 GB", () => {
  const half = { dtype: "U8", shape: [SHARD_LIMIT / 2] };
  expect(
    layoutShards(["a", "b", "c"].map((name) => ({ name, ...half }))).map(
      ({ tensors }) => tensors.length,
    ),
  ).toEqual([2, 1]);
  expect(SHARD_LIMIT).toBe(1e9);
});

test("the index names every tensor once, sorted, with both totals", () => {
  const shards = layoutShards(tensors, { shardLimit: 48 });
  expect(indexText(shards, 123)).toBe(`{
    "metadata": {
        "total_size": 58,
        "total_parameters": 123
    },
    "weight_map": {
        "a.A_log": "model-00002-of-00002.safetensors",
        "a.scales": "model-00002-of-00002.safetensors",
        "a.weight": "model-00002-of-00002.safetensors",
        "b.norm": "model-00001-of-00002.safetensors",
        "b.weight": "model-00001-of-00002.safetensors"
    }
}`);
});

test("throws INTERNAL for a name that occurs twice and for a shape without a size", () => {
  expect(() => layoutShards([tensors[0]!, tensors[0]!])).toThrow("twice");
  for (const bad of [
    { dtype: "U7", shape: [1] },
    { dtype: "toString", shape: [1] },
    { dtype: "U8", shape: [-1] },
    { dtype: "U8", shape: [0.5] },
  ]) {
    expect(() => layoutShards([{ name: "x", ...bad }])).toThrow("has no size");
  }
});

test("the same tensors give the same bytes", () => {
  expect(layoutShards(tensors, { shardLimit: 48 })).toEqual(
    layoutShards(structuredClone(tensors), { shardLimit: 48 }),
  );
});
