import { mkdir, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { removeFolder, scratchFolder } from "../../test/support/models.ts";
import { installedFrom } from "./installed-from.ts";

let folder: string;
let root: URL;
beforeAll(async () => {
  folder = await scratchFolder();
  await mkdir(`${folder}/node_modules/oqe-publisher`, { recursive: true });
  root = pathToFileURL(`${folder}/node_modules/oqe-publisher/`);
});
afterAll(() => removeFolder(folder));

const from = async (resolved: unknown, name = "oqe-publisher") => {
  const list = { packages: { [`node_modules/${name}`]: { resolved } } };
  await writeFile(`${folder}/node_modules/.package-lock.json`, JSON.stringify(list));
  return installedFrom(root);
};

const ref = "0123456789abcdef0123456789abcdef01234567";

test.each([
  [
    `git+ssh://git@github.com/acme/oqe-publisher.git#${ref}`,
    { repository: "acme/oqe-publisher", ref },
  ],
  [`git+https://github.com/acme/oqe.js#${ref}`, { repository: "acme/oqe.js", ref }],
  ["git+https://github.com/acme/oqe.js#main", { repository: "acme/oqe.js", ref: null }],
  ["https://registry.example/oqe-publisher-0.1.0.tgz", null],
  ["git+ssh://git@github.com.evil.example/acme/oqe.git#0", null],
  ["file:../oqe-publisher", null],
  [7, null],
])("%s is from %j", async (resolved, place) => {
  expect(await from(resolved)).toEqual(place);
});

test("a list without this package, no list, or one that is no JSON names nothing", async () => {
  expect(await from("git+ssh://git@github.com/acme/x.git#0", "x")).toBeNull();
  await writeFile(`${folder}/node_modules/.package-lock.json`, "{");
  expect(installedFrom(root)).toBeNull();
  expect(installedFrom(pathToFileURL(`${folder}/elsewhere/oqe-publisher/`))).toBeNull();
});
