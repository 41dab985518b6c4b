import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { removeFolder, scratchFolder } from "../../test/support/models.ts";
import { OqeError } from "../ground/errors.ts";
import { readResults } from "../series/result-file.ts";
import { keepResult, keepUpkeep } from "./run-result.ts";

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
  await expect(keepUpkeep(inTheWay, () => Promise.reject(failure))).rejects.toBe(failure);
});

test("a check of one model that went well, and a step with its own model, leave nothing", async () => {
  await keepUpkeep(asked(), async () => false);
  await keepResult({ ...asked(), series: null }, async () => end);
  expect(await kept()).toEqual([]);
  await expect(keepUpkeep(asked(), () => Promise.reject(failure))).rejects.toBe(failure);
  expect(await readFile(join(folder, "work", "oqe-result-nano.json"), "utf8")).toContain("NETWORK");
});

test("a command on all models leaves how it went as a whole, the last time", async () => {
  const all = { ...asked(), command: "cards", series: null } as const;
  await expect(keepUpkeep(all, () => Promise.reject(failure))).rejects.toBe(failure);
  expect(await kept()).toMatchObject([
    { series: null, command: "cards", complete: false, failure: { code: "NETWORK" } },
  ]);
  await keepUpkeep(all, async () => false);
  expect(await kept()).toMatchObject([{ series: null, complete: true, failure: null }]);
  await keepUpkeep(all, async () => true);
  expect(await kept()).toMatchObject([{ series: null, complete: false, failure: null }]);
});

test("no token gets into a result", async () => {
  vi.stubEnv("INPUT_HUB-TOKEN", "hf_secret");
  const told = new OqeError("NETWORK", "a proxy says: Bearer hf_secret", "hf_secret");
  await expect(keepResult(asked(), () => Promise.reject(told))).rejects.toBe(told);
  vi.unstubAllEnvs();
  const text = await readFile(join(folder, "work", "oqe-result-nano.json"), "utf8");
  expect(text).not.toContain("hf_secret");
  expect(text).toContain("Bearer ***");
});
