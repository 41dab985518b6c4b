import { spawnSync } from "node:child_process";
import { mkdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { removeFolder, scratchFolder } from "../../test/support/models.ts";
import { commitOfClone, readClone } from "./clone.ts";

let folder: string;
beforeEach(async () => {
  folder = await realpath(await scratchFolder());
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await removeFolder(folder);
});

const git = (...words: string[]) => {
  const { status, stdout } = spawnSync("git", ["-C", folder, ...words], { encoding: "utf8" });
  expect(status).toBe(0);
  return stdout.trim();
};
const commit = () =>
  git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--allow-empty", "-qm", "x");
const own = () => commitOfClone(pathToFileURL(`${folder}/`));

test("no clone, a folder that is missing, and a machine without git tell nothing", async () => {
  const nothing = { repository: null, branch: null };
  expect(await readClone(folder)).toEqual(nothing);
  expect(await readClone(join(folder, "none"))).toEqual(nothing);
  git("init", "--quiet", "--initial-branch", "trunk");
  expect(await readClone(folder)).toEqual({ repository: null, branch: "trunk" });
  vi.stubEnv("PATH", folder);
  expect(await readClone(folder)).toEqual(nothing);
});

test.each([
  ["https://github.com/acme/series", "acme/series"],
  ["https://github.com/acme/series.git", "acme/series"],
  ["https://me:ghp_secret@github.com/acme/my.series.git", "acme/my.series"],
  ["git@github.com:acme/series.git", "acme/series"],
  ["ssh://git@github.com/acme/series.git", "acme/series"],
  ["https://example.org/acme/series", null],
  ["https://example.org/github.com/acme/series", null],
  ["../elsewhere", null],
])("the remote %s is %s", async (address, repository) => {
  git("init", "--quiet");
  git("remote", "add", "origin", address);
  expect(await readClone(folder)).toMatchObject({ repository });
});

test("variables of another repository do not count", async () => {
  git("init", "--quiet", "--initial-branch", "trunk");
  vi.stubEnv("GIT_DIR", "/nonexistent");
  expect(await readClone(folder)).toMatchObject({ branch: "trunk" });
});

test("a program's own clone gives its commit, if GitHub has it", async () => {
  git("init", "--quiet");
  git("remote", "add", "origin", "https://github.com/acme/oqe-publisher");
  expect(await own()).toBeNull();
  commit();
  expect(await own()).toBeNull(); // not pushed
  git("update-ref", "refs/remotes/origin/main", "HEAD");
  const ref = git("rev-parse", "HEAD");
  expect(await own()).toEqual({ repository: "acme/oqe-publisher", ref });
  const below = join(folder, "below");
  await mkdir(below);
  expect(await commitOfClone(pathToFileURL(`${below}/`))).toBeNull();
  commit();
  expect(await own()).toBeNull();
});
