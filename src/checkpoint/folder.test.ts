import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { entry, safetensors, shard } from "../../test/hostile/case.ts";
import { openFolder } from "./folder.ts";
import { readText } from "./repository.ts";

let parent: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "oqe-folder-"));
});
afterEach(() => rm(parent, { recursive: true, force: true }));

async function write(
  files: Record<string, string | Uint8Array>,
  folder = "Model",
): Promise<string> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(parent, folder, path, ".."), { recursive: true });
    await writeFile(join(parent, folder, path), content);
  }
  return join(parent, folder);
}

test("lists regular files at any depth in order, without dot-folders", async () => {
  const path = await write({
    "b.txt": "22",
    "a/z.txt": "1",
    ".gitattributes": "x",
    ".git/HEAD": "no",
    "a/.cache/x": "no",
    "B.txt": "",
  });
  await symlink("b.txt", join(path, "c.txt"));
  await symlink("a", join(path, "d"));
  const repository = await openFolder(`${path}/`);
  expect([...repository.files]).toEqual([
    [".gitattributes", 1],
    ["B.txt", 0],
    ["a/z.txt", 1],
    ["b.txt", 2],
    ["c.txt", 2],
  ]);
  expect({ id: repository.id, name: repository.name }).toEqual({ id: null, name: "Model" });
  expect(await readText(repository, "c.txt")).toBe("22");
  await repository.close?.();
});

test("says NOT_FOUND for a path that is not a folder", async () => {
  const path = await write({ "config.json": "{}" });
  for (const wrong of ["gone", "config.json", "config.json/below", "\0"]) {
    await expect(openFolder(join(path, wrong))).rejects.toMatchObject({
      code: "NOT_FOUND",
      hint: expect.stringMatching(/org\/name/),
    });
  }
});

test("reads by range, never short, never outside", async () => {
  const repository = await openFolder(await write({ "x.bin": "0123456789" }));
  const source = await repository.open("x.bin");
  expect(Buffer.from(await source.read(3, 4)).toString()).toBe("3456");
  expect(await source.read(10, 0)).toHaveLength(0);
  for (const [offset, length] of [
    [8, 3],
    [11, 0],
    [-1, 2],
    [0, -1],
    [Number.NaN, 1],
  ] as const) {
    await expect(source.read(offset, length)).rejects.toMatchObject({ code: "BAD_CHECKPOINT" });
  }
  await expect(repository.open("y.bin")).rejects.toMatchObject({ code: "MISSING_FILE" });
  await repository.close?.();
});

test("notices a file that shrinks while it is read", async () => {
  const path = await write({ "x.bin": "0123456789" });
  const repository = await openFolder(path);
  const source = await repository.open("x.bin");
  await truncate(join(path, "x.bin"), 4);
  await expect(source.read(0, 10)).rejects.toThrow("expected 10 bytes, got 4");
  await repository.close?.();
});

test("opens each file once, closes, and opens again when asked", async () => {
  const repository = await openFolder(await write({ "x.bin": "0123" }));
  const [first, second] = await Promise.all([repository.open("x.bin"), repository.open("x.bin")]);
  expect(first).toBe(second);
  await repository.close?.();
  await repository.close?.();
  await expect(first.read(0, 1)).rejects.toThrow();
  expect(await (await repository.open("x.bin")).read(0, 4)).toHaveLength(4);
  await repository.close?.();
});

test("the revision depends on config, names, sizes, headers and weights only", async () => {
  const base = { "config.json": "{}", "model.safetensors": shard("w"), "README.md": "hello" };
  const revision = async (changes: Record<string, string | Uint8Array>) => {
    const repository = await openFolder(await write({ ...base, ...changes }));
    await repository.close?.();
    await rm(join(parent, "Model"), { recursive: true });
    return repository.revision;
  };
  const otherWeights = shard("w").fill(7, -8);
  const otherHeader = safetensors({ w: entry("F16", [2, 2], 0, 8) }, 8);
  const original = await revision({});
  expect(original).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect(await revision({ "README.md": "changed", LICENSE: "new" })).toBe(original);
  const changed: string[] = [];
  for (const change of [
    { "config.json": "{ }" },
    { "model.safetensors": otherHeader },
    { "model.safetensors": otherWeights },
    { "model.safetensors": safetensors({ w: entry("BF16", [2, 2], 0, 8) }, 9) },
    { "more.safetensors": "" },
    { "more.safetensors": safetensors("{}", 0, 2n ** 64n - 1n) },
  ] as Record<string, string | Uint8Array>[]) {
    changed.push(await revision(change));
  }
  expect(new Set([original, ...changed]).size).toBe(7);
});

test("a copy of a folder has the same revision", async () => {
  const files = { "config.json": "{}", "model.safetensors": shard("w") };
  const revisions = new Set<string>();
  for (const name of ["Model", "Copy"]) {
    const repository = await openFolder(await write(files, name));
    revisions.add(repository.revision);
    await repository.close?.();
  }
  expect(revisions.size).toBe(1);
});

test("reads the Hugging Face cache: links into blobs, the commit, the model's name", async () => {
  const commit = "0123456789abcdef0123456789abcdef01234567";
  const cache = "models--org--Base-7B";
  await write({ "blobs/aaa": '{"model_type":"llama"}', "blobs/bbb": shard("w") }, cache);
  const snapshot = join(parent, cache, "snapshots", commit);
  await mkdir(snapshot, { recursive: true });
  await symlink("../../blobs/aaa", join(snapshot, "config.json"));
  await symlink("../../blobs/bbb", join(snapshot, "model.safetensors"));
  const repository = await openFolder(snapshot);
  expect({ name: repository.name, revision: repository.revision, id: repository.id }).toEqual({
    name: "Base-7B",
    revision: commit,
    id: null,
  });
  expect(await readText(repository, "config.json")).toContain("llama");
  await repository.close?.();

  await write({ "blobs/ccc": "secret" }, "models--org--Other");
  await symlink("../../../models--org--Other/blobs/ccc", join(snapshot, "x.json"));
  await expect(openFolder(snapshot)).rejects.toMatchObject({ code: "BAD_INPUT" });
});

test("a blobs folder helps only the cache's own layout", async () => {
  await write({ "blobs/aaa": "{}" }, "repo");
  const folder = join(parent, "repo", "snapshots", "main");
  await mkdir(folder, { recursive: true });
  await symlink("../../blobs/aaa", join(folder, "config.json"));
  await expect(openFolder(folder)).rejects.toMatchObject({
    code: "BAD_INPUT",
    message: expect.stringContaining("config.json"),
  });
});

test("refuses a folder of ten thousand files", async () => {
  const path = await write({ "config.json": "{}" });
  for (let i = 0; i < 100; i++) await mkdir(join(path, String(i)));
  const names = Array.from({ length: 10_000 }, (_, i) => join(path, String(i % 100), `${i}`));
  for (const name of names) await writeFile(name, "");
  await expect(openFolder(path)).rejects.toMatchObject({
    code: "BAD_INPUT",
    message: expect.stringContaining("more than 10000 files"),
  });
});
