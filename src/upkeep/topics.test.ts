import { expect, test } from "vitest";
import type { SeriesResult } from "../series/result-file.ts";
import { jobTopics, type KnownRun } from "./topics.ts";

const result = (
  series: string | null,
  command: string,
  failure: SeriesResult["failure"] = null,
): SeriesResult => ({
  ...{ format: 1, series, command, complete: failure === null, base: null, tiers: [] },
  ...{ tables: [], failure },
});
const failure = { code: "NETWORK", message: "away", hint: "Wait." };

/** State by marker. */
function states(run: Partial<KnownRun>) {
  const known = { file: "series.yml", unreadable: null, models: ["a", "b"], expected: [] };
  const topics = jobTopics({ ...known, jobs: null, results: [], ...run });
  return Object.fromEntries(
    topics.map(({ marker, state }) => [/oqe:(\S+)/.exec(marker)![1]!, state]),
  );
}

test("nothing is told of jobs that did not run", () => {
  expect(states({})).toEqual({});
  expect(states({ jobs: { cards: "skipped", "push-cards": "skipped" } })).toEqual({});
});

test("a model that needs no cards is green if the check looked at it", () => {
  const checked = [result("a", "check"), result("b", "check", failure)];
  expect(states({ results: checked })).toEqual({ "cards:a": "green" });
  // If the job itself was lost, nobody knows whose cards it had.
  expect(states({ results: checked, jobs: { cards: "failure" } })).toEqual({
    "cards:all-of-series.yml": "red",
  });
  expect(states({ results: checked, expected: null })).toEqual({});
});

test("merged cards that were not sent stay red until they are sent", () => {
  const checked = [result("a", "check"), result("b", "check")];
  expect(states({ results: checked })).not.toHaveProperty("push-cards:a");
  expect(states({ results: [...checked, result("a", "push-cards")] })).toMatchObject({
    "push-cards:a": "green",
  });
});

test("a job that failed for one of its models worked as a whole", () => {
  const results = [
    ...[result("a", "cards", failure), result("b", "cards"), result(null, "cards", failure)],
  ];
  expect(states({ results, jobs: { cards: "failure" } })).toEqual({
    "cards:all-of-series.yml": "green",
    ...{ "cards:a": "red", "cards:b": "green" },
  });
});

test("a release that waits for a model leaves its issue as it is", () => {
  const waits = { ...result(null, "release"), complete: false };
  expect(states({ results: [waits], jobs: { release: "success" } })).toEqual({});
});

test("results of other jobs say nothing", () => {
  expect(states({ results: [result("a", "seal", failure)] })).toEqual({});
});
