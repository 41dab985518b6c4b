import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { removeFolder, scratchFolder } from "../../test/support/models.ts";
import { OqeError } from "../ground/errors.ts";
import { readResults, resultOf, type SeriesResult, writeResult } from "./result-file.ts";

let folder: string;
beforeEach(async () => {
  folder = await scratchFolder();
});
afterEach(() => removeFolder(folder));

const run = { series: "nano", command: "seal", isHub: true };
const end = {
  plan: { model: "org/Nano", revision: "c".repeat(40) },
  tiers: [
    {
      ...{ tier: "oQ4e", repository: "acme/Nano-oQ4e", outcome: "published" as const },
      ...{ commit: "d".repeat(40), url: "https://hub/acme/Nano-oQ4e", folder: "/tmp/x" },
    },
  ],
  comparisons: [],
  stopped: null,
  failure: null,
};

test("a result reads back, without places on this machine", async () => {
  const result = resultOf(run, end);
  const path = await writeResult(folder, result, []);
  expect(path).toBe(join(folder, "oqe-result-nano.json"));
  expect(await readResults(folder)).toEqual({ results: [result], unreadable: [] });
  expect(await readFile(path, "utf8")).not.toContain("/tmp");
  expect(result).toMatchObject({ complete: true, base: { id: "org/Nano" }, failure: null });
});

test("a failure keeps code, message and hint; a bug's text is not shown", () => {
  const failed = new OqeError("FORBIDDEN", "no right\nto write", "Ask.");
  const failure = { code: "FORBIDDEN", message: "no right\nto write", hint: "Ask." };
  const nothing = { plan: null, tiers: [], comparisons: [], stopped: null };
  const result = resultOf(run, { ...nothing, failure: failed });
  expect(result).toMatchObject({ complete: false, base: null, failure });
  const bug = resultOf(run, { ...nothing, failure: new Error("x is undefined at /home/me") });
  expect(bug.failure?.code).toBe("INTERNAL");
  expect(JSON.stringify(bug)).not.toContain("/home/me");
});

test("results of several jobs are found; unknown fields are ignored, others told", async () => {
  const result = resultOf(run, end);
  const write = async (name: string, value: unknown) => {
    await mkdir(join(folder, name), { recursive: true });
    await writeFile(join(folder, name, "oqe-result-nano.json"), JSON.stringify(value));
  };
  await write("a", { ...result, added: 1, tiers: [{ ...result.tiers[0], outcome: "later" }] });
  await write("b", { ...result, tiers: 3 });
  await write("c", { ...result, format: 2 });
  await mkdir(join(folder, "d"));
  await writeFile(join(folder, "d", "oqe-result-x.json"), "{");
  await writeFile(join(folder, "d", "other.json"), "{}");
  const found = await readResults(folder);
  expect(found.results.map(({ tiers }) => tiers[0]?.outcome)).toEqual(["later"]);
  expect(found.unreadable).toEqual([
    expect.stringContaining('b/oqe-result-nano.json: field "tiers" is 3'),
    expect.stringContaining('c/oqe-result-nano.json: field "format" is 2'),
    expect.stringContaining("d/oqe-result-x.json"),
  ]);
  expect(await readResults(join(folder, "missing"))).toEqual({ results: [], unreadable: [] });
});

test.each(["../x", "", ".x", "a/b", "a b"])("a series named %j gets no file", async (series) => {
  const result: SeriesResult = { ...resultOf(run, end), series };
  await expect(writeResult(folder, result, [])).rejects.toMatchObject({ code: "BAD_INPUT" });
});
