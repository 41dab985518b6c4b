import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { entry, goodConfig, safetensors, shard } from "../../test/hostile/case.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { openFolder } from "./folder.ts";
import type { Repository } from "./repository.ts";
import { INDEX_FILE } from "./shard-set.ts";

const models = fileURLToPath(new URL("../../test/models/", import.meta.url));
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "oqe-checkpoint-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function write(files: Record<string, string | Uint8Array>): Promise<Repository> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  return openFolder(folder);
}

test.each([
  ["nemotron-nano-tiny", "nemotron_h", 238],
  ["random-tiny/llama", "llama", 21],
  ["random-tiny/qwen3", "qwen3", 24],
  ["random-tiny/qwen3_moe", "qwen3_moe", 69],
  ["random-tiny/nemotron_h", "nemotron_h", 68],
])("opens %s and reads its bytes", async (path, type, count) => {
  const checkpoint = await openCheckpoint(await openFolder(join(models, path)));
  expect(checkpoint.config.model_type).toBe(type);
  expect(checkpoint.headerOnly).toBe(false);
  expect(checkpoint.tensors.size).toBe(count);
  const file = await readFile(join(models, path, "model.safetensors"));
  const parts: Uint8Array[] = [];
  for (const { name, start, end } of checkpoint.tensors.values())
    parts.push(await checkpoint.read(name, 0, end - start));
  const first = [...checkpoint.tensors.values()][0]!;
  expect(Buffer.concat(parts).equals(file.subarray(first.start))).toBe(true);
  await checkpoint.close();
});

test("reads within a tensor only", async () => {
  const checkpoint = await openCheckpoint(
    await write({
      "config.json": goodConfig,
      "model.safetensors": safetensors(
        { w: entry("BF16", [4], 0, 8) },
        Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
      ),
    }),
  );
  expect([...(await checkpoint.read("w", 2, 3))]).toEqual([3, 4, 5]);
  for (const [offset, length] of [
    [0, 9],
    [8, 1],
    [-1, 1],
    [0, -1],
  ] as const) {
    await expect(checkpoint.read("w", offset, length)).rejects.toMatchObject({
      code: "BAD_CHECKPOINT",
    });
  }
  await expect(checkpoint.read("toString", 0, 1)).rejects.toThrow('no tensor "toString"');
  await checkpoint.close();
});

test.each([
  ["numbered shards", ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]],
  ["one numbered shard", ["model-00001-of-00001.safetensors"]],
  [
    "a set of another name",
    ["weights-00001-of-00002.safetensors", "weights-00002-of-00002.safetensors"],
  ],
  ["a single file of another name", ["weights.safetensors"]],
])("finds %s without an index", async (_, files) => {
  const shards = files.map((file, i) => [file, shard(`t${i}`)] as const);
  const checkpoint = await openCheckpoint(
    await write({ "config.json": goodConfig, ...Object.fromEntries(shards) }),
  );
  expect([...checkpoint.tensors.values()].map(({ file }) => file)).toEqual(files);
  await checkpoint.close();
});

test("model files have priority over other files", async () => {
  const checkpoint = await openCheckpoint(
    await write({
      "config.json": goodConfig,
      "consolidated.safetensors": shard("x"),
      "model.safetensors": shard("w"),
    }),
  );
  expect([...checkpoint.tensors.keys()]).toEqual(["w"]);
  await checkpoint.close();
});

describe("checkpoints as they are published", () => {
  const [one, two] = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
  const index = (map: Record<string, string>) => JSON.stringify({ weight_map: map });
  const both = { a: one, b: two };

  test.each<[string, Record<string, string | Uint8Array>, readonly string[]]>([
    [
      "an index of shards that are gone, beside a whole file",
      { "model.safetensors": shard("a", "b"), [INDEX_FILE]: index(both) },
      ["a", "b"],
    ],
    [
      "an index of another model beside a whole file",
      { "model.safetensors": shard("a"), [INDEX_FILE]: index({ x: "other.safetensors" }) },
      ["a"],
    ],
    [
      "an index that is no JSON beside a whole file",
      { "model.safetensors": shard("a"), [INDEX_FILE]: "{" },
      ["a"],
    ],
    [
      "an index that names the whole file and one more",
      {
        "model.safetensors": shard("a"),
        "model-extra.safetensors": shard("b"),
        [INDEX_FILE]: index({ a: "model.safetensors", b: "model-extra.safetensors" }),
      },
      ["b", "a"],
    ],
    [
      "a whole file beside all shards of the same tensors",
      {
        "model.safetensors": shard("a", "b"),
        [one]: shard("a"),
        [two]: shard("b"),
        [INDEX_FILE]: index(both),
      },
      ["a", "b"],
    ],
    [
      "a whole file beside one shard that was left",
      { "model.safetensors": shard("a", "b"), [two]: shard("b") },
      ["a", "b"],
    ],
    [
      "a shard with a tensor that the index omits",
      { [one]: shard("a", "mtp"), [two]: shard("b"), [INDEX_FILE]: index(both) },
      ["a", "mtp", "b"],
    ],
    [
      "an index with a tensor that no shard holds and the model ignores",
      { [one]: shard("a"), [two]: shard("b"), [INDEX_FILE]: index({ ...both, ignored: two }) },
      ["a", "b"],
    ],
    [
      "consolidated weights, pickles and an original folder beside shards",
      {
        "consolidated.safetensors": shard("x"),
        "pytorch_model.bin": "PK",
        "pytorch_model.bin.index.json": "{}",
        "original/consolidated.00.pth": "PK",
        "original/model.safetensors": shard("y"),
        [one]: shard("a"),
        [two]: shard("b"),
        [INDEX_FILE]: index(both),
      },
      ["a", "b"],
    ],
  ])("%s", async (_, files, tensors) => {
    const checkpoint = await openCheckpoint(await write({ "config.json": goodConfig, ...files }), {
      ignores: (name) => name === "ignored",
    });
    expect([...checkpoint.tensors.keys()]).toEqual(tensors);
    await checkpoint.close();
  });
});

test("counters and masks do not count as quantized", async () => {
  const header = {
    ids: entry("I64", [1], 0, 8),
    mask: entry("BOOL", [8], 8, 16),
    "x.scales": entry("BF16", [4], 16, 24),
  };
  const checkpoint = await openCheckpoint(
    await write({ "config.json": goodConfig, "model.safetensors": safetensors(header, 24) }),
  );
  expect(checkpoint.tensors.size).toBe(3);
  await checkpoint.close();
});

/** 60 shards with the number of tensors of the 30B model, headers only. */
async function writeHeaders(): Promise<Repository> {
  const weightMap: Record<string, string> = {};
  const files: Record<string, string | Uint8Array> = { "config.json": goodConfig };
  for (let s = 0; s < 60; s++) {
    const file = `model-${String(s + 1).padStart(5, "0")}-of-00060.safetensors`;
    const header: Record<string, unknown> = {};
    for (let t = 0; t < 105; t++) {
      const name = `backbone.layers.${s}.mixer.experts.${t}.up_proj.weight`;
      const bytes = 1856 * 2688 * 2;
      header[name] = entry("BF16", [1856, 2688], t * bytes, (t + 1) * bytes);
      weightMap[name] = file;
    }
    files[file] = safetensors(header);
  }
  files["model.safetensors.index.json"] = JSON.stringify({ weight_map: weightMap });
  return write(files);
}

test("plans from 60 bare headers, eight requests at a time, each header read once", async () => {
  const repository = await writeHeaders();
  let running = 0;
  let most = 0;
  let bytes = 0;
  const counted: Repository = {
    ...repository,
    open: async (path) => {
      const source = await repository.open(path);
      const read = async (offset: number, length: number) => {
        most = Math.max(most, ++running);
        bytes += length;
        try {
          return await source.read(offset, length);
        } finally {
          running--;
        }
      };
      return { name: source.name, size: source.size, read };
    },
  };
  const checkpoint = await openCheckpoint(counted, { allowHeaderOnly: true });
  expect(checkpoint.headerOnly).toBe(true);
  expect(checkpoint.tensors.size).toBe(6300);
  expect([...checkpoint.tensors.keys()][6299]).toBe(
    "backbone.layers.59.mixer.experts.104.up_proj.weight",
  );
  expect(most).toBeGreaterThan(1);
  expect(most).toBeLessThanOrEqual(8);
  expect(bytes).toBe([...repository.files.values()].reduce((sum, size) => sum + size, 0));
  await expect(
    checkpoint.read("backbone.layers.0.mixer.experts.0.up_proj.weight", 0, 2),
  ).rejects.toMatchObject({
    code: "BAD_CHECKPOINT",
  });
  await checkpoint.close();
  await expect(openCheckpoint(repository)).rejects.toThrow(
    /model-00001-of-00060.safetensors is truncated/,
  );
  await repository.close?.();
});
