import { mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { mountSmall, onlyAsRoot } from "../../test/support/small-disk.ts";
import { makeFolder, requireRoom, tryFile, tryFolder } from "./disk.ts";

const root = await mkdtemp(join(tmpdir(), "oqe-disk-"));
afterAll(() => rm(root, { recursive: true }));

const at = (...names: string[]) => join(root, ...names);

beforeAll(async () => {
  await writeFile(at("file"), "kept");
  await symlink(at("loop"), at("loop"));
  await symlink(at("gone"), at("dangling"));
  await mkdir(at("real"));
  await symlink(at("real"), at("link"));
});

test("makes a folder and those above it, and leaves one that exists alone", async () => {
  const path = at("a", "b", "c");
  await makeFolder(path);
  await makeFolder(path);
  await makeFolder(at("link", "d"));
  expect((await stat(path)).isDirectory()).toBe(true);
  expect((await stat(at("real", "d"))).isDirectory()).toBe(true);
});

const impossible: [string, string, RegExp][] = [
  ["a file", at("file"), /file cannot be used: it is a file, not a folder$/],
  ["below a file", at("file", "a"), /it, or a folder above it, is a file$/],
  ["links in a circle", at("loop"), /loop cannot be used: its symbolic links form a circle$/],
  ["below links in a circle", at("loop", "a"), /its symbolic links form a circle$/],
  ["a link to nothing", at("dangling"), /it is a symbolic link to .*gone, which does not exist$/],
  ["a name of 300 characters", at("x".repeat(300)), /its name is too long$/],
  ["a path of 6000 characters", at(...Array(60).fill("y".repeat(100))), /its name is too long$/],
];
if (process.platform === "linux") {
  impossible.push(
    ["nowhere in /proc", "/proc/nowhere", /the system makes no folders in \/proc$/],
    ["below that", "/proc/self/none/a", /the system makes no folders in \/proc\/self$/],
  );
}

describe.each(impossible)("%s", (_, path, reason) => {
  const failure = { code: "DISK", message: expect.stringMatching(reason) };

  test("is no folder to make or to write in, and the reason says why", async () => {
    await expect(makeFolder(path)).rejects.toMatchObject(failure);
    await expect(tryFolder(path)).rejects.toMatchObject(failure);
  });
});

test("a folder that can be written to is tried, and nothing is left in it", async () => {
  await tryFolder(at("tried", "here"));
  expect(await readdir(at("tried", "here"))).toEqual([]);
});

test("a file that can be written is tried; a new one is not left, an old one is unchanged", async () => {
  await tryFile(at("new"));
  await tryFile(at("file"));
  expect((await stat(at("file"))).size).toBe(4);
  expect(await readdir(root)).not.toContain("new");
  for (const path of [at("real"), at("nowhere", "x"), at("loop"), at("file", "x")])
    await expect(tryFile(path)).rejects.toMatchObject({ code: "DISK" });
});

describe("a small disk", () => {
  test("has room once for what several folders on it need together", async ({ skip }) => {
    const disk = at("small");
    const unmount = await mountSmall(disk, "1m");
    if (unmount === null) return skip(onlyAsRoot);
    try {
      const [a, b] = [join(disk, "a"), join(disk, "b", "c")];
      await requireRoom([
        { folder: a, bytes: 500_000 },
        { folder: b, bytes: 500_000 },
        { folder: root, bytes: 500_000 },
      ]);
      const both = [
        { folder: a, bytes: 600_000 },
        { folder: b, bytes: 600_000 },
      ];
      await expect(requireRoom(both)).rejects.toMatchObject({
        code: "DISK",
        message: expect.stringMatching(/small.*: 1200000 bytes are needed, 1048576 are free/),
      });
    } finally {
      unmount();
    }
  });

  test.each([
    ["that is read-only", "ro", /it is on a read-only disk/],
    ["that is full", "nr_inodes=1", /not enough disk space in .*bytes are needed/],
  ])("%s is refused when it is tried", async (_, option, reason) => {
    const disk = at(option);
    const unmount = await mountSmall(disk, "1m", option);
    if (unmount === null) return;
    try {
      const failure = { code: "DISK", message: expect.stringMatching(reason) };
      await expect(tryFolder(disk)).rejects.toMatchObject(failure);
      await expect(tryFolder(join(disk, "a", "b"))).rejects.toMatchObject(failure);
    } finally {
      unmount();
    }
  });
});
