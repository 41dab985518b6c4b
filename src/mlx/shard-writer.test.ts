import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { goodConfig } from "../../test/hostile/case.ts";
import { openCheckpoint } from "../checkpoint/checkpoint.ts";
import { openFolder } from "../checkpoint/folder.ts";
import { indexText, layoutShards } from "./layout.ts";
import { createShards } from "./shard-writer.ts";

const tensors = [
  { name: "a", dtype: "BF16", shape: [4] },
  { name: "b", dtype: "F32", shape: [2] },
  { name: "c", dtype: "BF16", shape: [0] },
];
const layouts = layoutShards(tensors);
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "oqe-shards-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("writes in any order; the files open as a checkpoint with the same bytes", async () => {
  const many = Array.from({ length: 9 }, (_, i) => ({
    name: `t${i}`,
    dtype: i % 2 ? "F32" : "BF16",
    shape: [8, i + 1],
  }));
  const shards = layoutShards(many, { shardLimit: 300 });
  expect(shards.length).toBeGreaterThan(2);
  const writer = await createShards(join(folder, "new/deep"), shards);
  const content = new Map(
    shards
      .flatMap((s) => s.tensors)
      .map(({ name, bytes }, i) => [name, Uint8Array.from({ length: bytes }, (_, k) => k * 7 + i)]),
  );
  const pieces = [...content].flatMap(([name, bytes]) =>
    [0, 1, 2, 3].map((part) => ({ name, at: (part * bytes.length) / 4, bytes })),
  );
  pieces.sort(
    (x, y) => ((x.at * 31 + x.name.charCodeAt(1)) % 17) - ((y.at * 31 + y.name.charCodeAt(1)) % 17),
  );
  await Promise.all(
    pieces.map(({ name, at, bytes }) =>
      writer.write(name, at, bytes.subarray(at, at + bytes.length / 4)),
    ),
  );
  const files = await writer.finish();

  expect(Object.keys(files)).toEqual(shards.map(({ file }) => file));
  for (const [file, { bytes, sha256 }] of Object.entries(files)) {
    const disk = await readFile(join(folder, "new/deep", file));
    expect({ bytes, sha256 }).toEqual({
      bytes: disk.length,
      sha256: createHash("sha256").update(disk).digest("hex"),
    });
  }
  await writeFile(join(folder, "new/deep/config.json"), goodConfig);
  await writeFile(join(folder, "new/deep/model.safetensors.index.json"), indexText(shards, 1));
  const checkpoint = await openCheckpoint(await openFolder(join(folder, "new/deep")));
  for (const [name, bytes] of content)
    expect(await checkpoint.read(name, 0, bytes.length)).toEqual(bytes);
  await checkpoint.close();
});

test("writes views over shared memory", async () => {
  const shared = new Uint8Array(new SharedArrayBuffer(32)).fill(9);
  const writer = await createShards(folder, layouts);
  await writer.write("a", 0, shared.subarray(8, 16));
  await writer.write("b", 0, shared.subarray(16, 24));
  await writer.finish();
  const file = await readFile(join(folder, "model.safetensors"));
  expect([...file.subarray(-16)]).toEqual(new Array(16).fill(9));
});

test.each([
  [
    "a hole",
    [
      ["a", 0, 2],
      ["a", 4, 4],
      ["b", 0, 8],
    ],
    "a: bytes 2 to 4 were never written",
  ],
  [
    "a missing end",
    [
      ["a", 0, 6],
      ["b", 0, 8],
    ],
    "a: bytes 6 to 8 were never written",
  ],
  ["a missing tensor", [["a", 0, 8]], "b: bytes 0 to 8 were never written"],
  [
    "a byte twice",
    [
      ["a", 0, 8],
      ["a", 7, 1],
      ["b", 0, 8],
    ],
    "a: bytes 7 to 8 were written twice",
  ],
  [
    "a whole tensor twice",
    [
      ["a", 0, 8],
      ["b", 0, 8],
      ["b", 0, 8],
    ],
    "b: bytes 0 to 8 were written twice",
  ],
] as const)("notices %s", async (_, writes, message) => {
  const writer = await createShards(folder, layouts);
  const fill = async () => {
    for (const [name, at, length] of writes) await writer.write(name, at, new Uint8Array(length));
    await writer.finish();
  };
  await expect(fill()).rejects.toMatchObject({
    code: "INTERNAL",
    message: expect.stringContaining(message),
  });
  await writer.abort();
});

test("hands each shard on when its last byte is written, and still reads it", async () => {
  const shards = layoutShards([tensors[0]!, tensors[1]!], { shardLimit: 8 });
  const [first, second] = shards.map(({ file }) => file);
  const seen: string[] = [];
  let sha256 = "";
  const writer = await createShards(folder, shards, {
    onShard: async (file, written) => {
      seen.push(file);
      const disk = await readFile(join(folder, file));
      sha256 = createHash("sha256").update(disk).digest("hex");
      expect(written).toEqual({ bytes: disk.length, sha256 });
    },
  });
  await writer.write("a", 0, new Uint8Array(6)); // its end is missing
  await writer.write("b", 0, new Uint8Array(8).fill(7));
  await expect.poll(() => sha256, { timeout: 30_000 }).not.toBe("");
  expect(seen).toEqual([second]);
  const back = new Uint8Array(8);
  await writer.read("b", 0, back);
  expect([...back]).toEqual(Array(8).fill(7));
  await writer.write("a", 6, new Uint8Array(2));
  expect(Object.keys(await writer.finish())).toEqual([first, second]);
  expect(seen).toEqual([second, first]);
});

test("a shard that cannot be handed on ends the writing", async () => {
  const writer = await createShards(folder, layouts, {
    onShard: () => {
      throw new Error("the Hub is away");
    },
  });
  await writer.write("a", 0, new Uint8Array(8));
  await writer.write("b", 0, new Uint8Array(8));
  await expect(writer.finish()).rejects.toThrow("the Hub is away");
  await writer.abort();
  expect(await readdir(folder)).toEqual([]);
});

test("refuses to write outside a tensor", async () => {
  const writer = await createShards(folder, layouts);
  await expect(writer.write("a", 1, new Uint8Array(8))).rejects.toMatchObject({ code: "INTERNAL" });
  await expect(writer.write("a", -1, new Uint8Array(8))).rejects.toMatchObject({
    code: "INTERNAL",
  });
  await expect(writer.write("toString", 0, new Uint8Array(1))).rejects.toMatchObject({
    code: "INTERNAL",
  });
  await writer.abort();
});

test("abort removes its files and nothing else, twice", async () => {
  await writeFile(join(folder, "keep.txt"), "mine");
  const writer = await createShards(folder, layoutShards(tensors, { shardLimit: 8 }));
  await writer.write("a", 0, new Uint8Array(8));
  expect(await readdir(folder)).toHaveLength(3);
  await writer.abort();
  await writer.abort();
  expect(await readdir(folder)).toEqual(["keep.txt"]);
  await expect(writer.finish()).rejects.toMatchObject({ code: "INTERNAL" });
});

test("never overwrites a file, and removes those that it has made itself", async () => {
  const shards = layoutShards(tensors, { shardLimit: 8 });
  await writeFile(join(folder, shards[1]!.file), "mine");
  await expect(createShards(folder, shards)).rejects.toMatchObject({
    code: "NOT_OURS",
    message: expect.stringContaining(shards[1]!.file),
  });
  expect(await readdir(folder)).toEqual([shards[1]!.file]);
  expect(await readFile(join(folder, shards[1]!.file), "utf8")).toBe("mine");
});

test("refuses a petabyte before it starts, with the sizes in bytes", async () => {
  const huge = layoutShards([{ name: "x", dtype: "U8", shape: [2 ** 52] }]);
  await expect(createShards(folder, huge)).rejects.toMatchObject({
    code: "DISK",
    message: expect.stringMatching(
      /^not enough disk space in \S*oqe-shards-\S+: 450359962\d+ bytes are needed, \d+ are free$/,
    ),
  });
  expect(await readdir(folder)).toEqual([]);
});

test("throws DISK where the folder is a file", async () => {
  await writeFile(join(folder, "file"), "");
  await expect(createShards(join(folder, "file"), layouts)).rejects.toMatchObject({ code: "DISK" });
  await expect(createShards(join(folder, "file", "below"), layouts)).rejects.toMatchObject({
    code: "DISK",
  });
});

/**
 * The shell limits the size of files, so the test needs no full disk. 512 blocks are at most
 * 512 KB: a block has 512 or 1024 bytes.
 */
test("throws DISK and removes the files when the system refuses bytes half-way", async () => {
  const [layout, writer] = ["layout", "shard-writer"].map((name) =>
    JSON.stringify(new URL(`./${name}.ts`, import.meta.url).href),
  );
  const script = `
    import { layoutShards } from ${layout};
    import { createShards } from ${writer};
    const tensor = (name, size) => ({ name, dtype: "U8", shape: [size] });
    const layouts = layoutShards([tensor("s", 9), tensor("x", 1 << 20)], { shardLimit: 10 });
    await createShards(process.argv[1], layouts).catch(({ code, message, hint }) =>
      console.log(JSON.stringify({ code, message, hint })));
  `;
  const run = promisify(execFile);
  const { stdout } = await run("sh", [
    "-c",
    'ulimit -f 512; exec "$0" --input-type=module -e "$1" "$2"',
    process.execPath,
    script,
    folder,
  ]);
  const error = JSON.parse(stdout);
  expect(error).toMatchObject({ code: "DISK", hint: expect.stringContaining("Free disk space") });
  expect(error.message).toContain(folder);
  expect(error.message).toContain("file sizes are limited");
  expect(await readdir(folder)).toEqual([]);
});

test("says which tensors an earlier run finished", async () => {
  const [{ file, bytes }] = layouts as [(typeof layouts)[number]];
  const elsewhere = { file, bytes, sha256: "0".repeat(64), fetch: async () => {} };
  const distant = await createShards(folder, layouts, { distant: [elsewhere] });
  expect(tensors.map(({ name }) => distant.has(name))).toEqual([true, true, true]);
  await distant.abort();
  const here = await createShards(folder, layouts);
  here.restore("a");
  expect(tensors.map(({ name }) => here.has(name))).toEqual([true, false, false]);
  await here.abort();
});
