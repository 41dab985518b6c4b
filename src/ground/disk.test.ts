import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { makeFolder } from "./disk.ts";

const root = await mkdtemp(join(tmpdir(), "oqe-disk-"));
afterAll(() => rm(root, { recursive: true }));

test("makes a folder and those above it, and leaves one that exists alone", async () => {
  const path = join(root, "a", "b", "c");
  await makeFolder(path);
  await makeFolder(path);
  expect((await stat(path)).isDirectory()).toBe(true);
});

test("fails below a file", async () => {
  const file = join(root, "file");
  await writeFile(file, "");
  await expect(makeFolder(file)).rejects.toMatchObject({ code: "EEXIST" });
  await expect(makeFolder(join(file, "a"))).rejects.toMatchObject({ code: "ENOTDIR" });
});

test.runIf(process.platform === "linux")("fails where no folder can be made", async () => {
  await expect(makeFolder("/proc/self/none/a")).rejects.toMatchObject({ code: "ENOENT" });
});
