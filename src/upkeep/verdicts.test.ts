import { expect, test } from "vitest";
import type { SeriesResult } from "../series/result-file.ts";
import { verdictsOf } from "./verdicts.ts";

const result = (series: string, changes: Partial<SeriesResult> = {}): SeriesResult => ({
  ...{ format: 1, series, command: "seal", complete: true, tables: [], failure: null },
  base: { id: "org/Nano", revision: "c".repeat(40) },
  tiers: [
    {
      ...{ tier: "oQ4e", repository: "acme/Nano-oQ4e", outcome: "published" },
      ...{ commit: "d".repeat(40), url: "https://hub/acme/Nano-oQ4e" },
    },
  ],
  ...changes,
});
const failure = { code: "NETWORK", message: "the Hub <b>answers</b> 503", hint: "Try later." };
const statesOf = (results: readonly SeriesResult[], expected: readonly string[] | null = ["a"]) =>
  Object.fromEntries(
    verdictsOf({ models: ["a", "b"], expected, results }).map(({ name, state }) => [name, state]),
  );

test("a model is green if the check found it current; of others without a job nothing is known", () => {
  const current = result("a", { command: "check" });
  expect(statesOf([current], [])).toEqual({ a: "green" });
  expect(statesOf([], [])).toEqual({}); // not asked for, or held back
  expect(statesOf([current], null)).toEqual({}); // the check failed
});

test("a model is green if its last job says so, and red if it failed or says nothing", () => {
  expect(statesOf([result("a")])).toEqual({ a: "green" });
  expect(statesOf([result("b")])).toEqual({ a: "red" });
  expect(statesOf([result("a", { command: "measure" })])).toEqual({ a: "red" });
  expect(statesOf([result("a", { failure, complete: false })])).toEqual({ a: "red" });
  expect(statesOf([result("a", { failure, command: "access" })])).toEqual({ a: "red" });
});

test("a model that a tag asked for is judged by its last job, whatever the check found", () => {
  const current = result("a", { command: "check" });
  expect(statesOf([current])).toEqual({ a: "red" });
  expect(statesOf([current, result("a")])).toEqual({ a: "green" });
});

test("a model that the check could not look at is red, although nothing was to be made", () => {
  const unknown = result("b", { failure, command: "check" });
  expect(statesOf([unknown], [])).toEqual({ b: "red" });
  expect(statesOf([unknown, result("a")])).toEqual({ a: "green", b: "red" });
});

test("a model that stopped at its time limit is neither", () => {
  expect(statesOf([result("a", { complete: false })])).toEqual({ a: "stopped" });
});

test("the report has the failure, the tiers and the tables, as text of others", () => {
  const tables = [{ title: "oQ4e: the new proof is worse", markdown: "| a |\n|---|\n| 1 |" }];
  const results = [result("a", { failure, tables })];
  const report = verdictsOf({ models: ["a"], expected: ["a"], results })[0]!.report;
  expect(report).toContain("the Hub &lt;b&gt;answers&lt;/b&gt; 503 [`NETWORK`]");
  expect(report).toContain("| oQ4e | [acme/Nano-oQ4e](https://hub/acme/Nano-oQ4e) | published |");
  expect(report).toContain("**oQ4e: the new proof is worse**\n\n| a |");
});
