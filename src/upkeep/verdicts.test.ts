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
const stateOf = (results: readonly SeriesResult[], expected: readonly string[] | null = ["a"]) =>
  verdictsOf({ models: ["a", "b"], expected, results }).map(({ state }) => state);

const checked = (series: string) => result(series, { command: "check", tiers: [] });

test("a model that had nothing to be made is green if the check looked at it", () => {
  expect(stateOf([checked("a"), checked("b")], [])).toEqual(["green", "green"]);
  expect(stateOf([checked("b")], [])).toEqual(["green"]);
  const unchecked = result("a", { command: "check", failure });
  expect(stateOf([unchecked], [])).toEqual(["red"]);
  expect(stateOf([unchecked, result("b")], ["b"])).toEqual(["red", "green"]);
});

test("after a check that failed as a whole nothing is known", () => {
  expect(stateOf([], null)).toEqual([]);
});

test("a model is green if its last job says so, and red if it failed or says nothing", () => {
  expect(stateOf([result("a"), checked("a")])).toEqual(["green"]);
  expect(stateOf([result("b"), checked("a")])).toEqual(["red"]);
  expect(stateOf([result("a", { command: "measure" })])).toEqual(["red"]);
  expect(stateOf([result("a", { failure, complete: false })])).toEqual(["red"]);
  expect(stateOf([result("a", { failure, command: "access" })])).toEqual(["red"]);
});

test("what became of its cards does not tell whether a model was made", () => {
  const cards = result("a", { command: "cards", failure, complete: false });
  expect(stateOf([cards, result("a"), checked("a")])).toEqual(["green"]);
  expect(stateOf([cards, checked("a")], [])).toEqual(["green"]);
});

test("a model that stopped at its time limit is neither", () => {
  expect(stateOf([result("a", { complete: false })])).toEqual(["stopped"]);
});

test("the report has the failure, the tiers and the tables, as text of others", () => {
  const tables = [{ title: "oQ4e: the new proof is worse", markdown: "| a |\n|---|\n| 1 |" }];
  const results = [result("a", { failure, tables })];
  const report = verdictsOf({ models: ["a"], expected: ["a"], results })[0]!.report;
  expect(report).toContain("the Hub &lt;b&gt;answers&lt;/b&gt; 503 (`NETWORK`)");
  expect(report).toContain("| oQ4e | [acme/Nano-oQ4e](https://hub/acme/Nano-oQ4e) | published |");
  expect(report).toContain("**oQ4e: the new proof is worse**\n\n| a |");
});
