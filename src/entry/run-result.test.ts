import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { removeFolder, scratchFolder } from "../../test/support/models.ts";
import { OqeError } from "../ground/errors.ts";
import { readResults } from "../series/result-file.ts";
import { keepFailure, keepResult } from "./run-result.ts";

let folder: string;
beforeEach(async () => {
  folder = await scratchFolder();
});
afterEach(() => removeFolder(folder));

const asked = () => {
  return { command: "seal", series: "nano", workDir: join(folder, "work") } as const;
};
const end = {
  plan: { model: "org/Nano", revision: "c".repeat(40) },
  ...{ tiers: [], comparisons: [], stopped: null, failure: null, isHub: true },
};
const failure = new OqeError("NETWORK", "the Hub is away", "Wait.");
const kept = async () => (await readResults(join(folder, "work"))).results;

test("a run that ends leaves its result, in a folder that it makes", async () => {
  await keepResult(asked(), async () => end);
  expect(await kept()).toMatchObject([{ series: "nano", command: "seal", complete: true }]);
});

test("a failure that was collected is thrown, and kept with what else is known", async () => {
  await expect(keepResult(asked(), async () => ({ ...end, failure }))).rejects.toBe(failure);
  expect(await kept()).toMatchObject([
    { complete: false, base: { id: "org/Nano" }, failure: { code: "NETWORK", hint: "Wait." } },
  ]);
});

test("a failure that was thrown is thrown, and kept", async () => {
  await expect(keepResult(asked(), () => Promise.reject(failure))).rejects.toBe(failure);
  expect(await kept()).toMatchObject([{ base: null, tiers: [], failure: { code: "NETWORK" } }]);
});

test("a result that cannot be written is a failure, unless there is one already", async () => {
  await keepResult(asked(), async () => end);
  const file = join(folder, "work", "oqe-result-nano.json");
  const inTheWay = { ...asked(), workDir: file };
  await expect(keepResult(inTheWay, async () => end)).rejects.toMatchObject({ code: "EEXIST" });
  await expect(keepResult(inTheWay, () => Promise.reject(failure))).rejects.toBe(failure);
  await expect(keepFailure(inTheWay, () => Promise.reject(failure))).rejects.toBe(failure);
});

test("a command that went well, and a step that describes its own model, leave nothing", async () => {
  await keepFailure(asked(), async () => {});
  await keepResult({ ...asked(), series: null }, async () => end);
  expect(await kept()).toEqual([]);
  await expect(keepFailure(asked(), () => Promise.reject(failure))).rejects.toBe(failure);
  expect(await readFile(join(folder, "work", "oqe-result-nano.json"), "utf8")).toContain("NETWORK");
  await rm(folder, { recursive: true });
});
