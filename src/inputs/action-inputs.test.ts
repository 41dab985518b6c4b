import { expect, test } from "vitest";
import { parseActionInputs } from "./action-inputs.ts";

const parse = (given: Record<string, string>) =>
  parseActionInputs((name) => given[name] ?? "", { GITHUB_WORKSPACE: "/work" });

test("models and jobs are null if nothing is known of them", () => {
  expect(parse({})).toMatchObject({ models: null, jobs: null, command: "publish" });
});

test("models are names, or what check has as its output", () => {
  expect(parse({ models: '["a", {"name": "b", "pending": []}]' }).models).toEqual(["a", "b"]);
  expect(parse({ models: "[]" }).models).toEqual([]);
});

test("jobs are results by name", () => {
  const jobs = { cards: "failure", release: "skipped" };
  expect(parse({ jobs: JSON.stringify(jobs, null, 2) }).jobs).toEqual(jobs);
});

test.each(["x", "{}", "[]", "null", "3", '"success"', '{"cards": {"result": "success"}}'])(
  "jobs %s are refused",
  (jobs) => {
    expect(() => parse({ jobs })).toThrow(
      /^jobs: this is no JSON object with the results of jobs$/,
    );
  },
);

test.each(["x", "{}", "null", "[3]", '[{"pending": []}]'])("models %s are refused", (models) => {
  expect(() => parse({ models })).toThrow(/^models: this is no JSON list of models$/);
});
