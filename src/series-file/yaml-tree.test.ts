import { describe, expect, test } from "vitest";
import { OqeError } from "../ground/errors.ts";
import { parseSeriesFile } from "./series-file.ts";

const fault = (text: string): OqeError => {
  try {
    parseSeriesFile(text, "series.yml");
  } catch (error) {
    if (error instanceof OqeError) return error;
    throw error;
  }
  throw new Error("was not refused");
};
/** A file of one model with more lines: `key: value`. The lines are the sixth and following. */
const withLines = (...lines: string[]) =>
  `# a comment\n\nmodels:\n  - base-model: org/Base-8B\n    namespace: acme\n${lines
    .map((line) => `    ${line}\n`)
    .join("")}`;

describe("what YAML can do and a series file does not need", () => {
  test.each([
    [
      "an alias",
      "a: &a [x]\nmodels: *a\n",
      /^series\.yml:1: a: anchors and aliases are not allowed/,
    ],
    ["a bomb", `a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n`, /anchors and aliases/],
    ["a merge of keys", withLines("<<: { tiers: oQ4e }"), /"<<": is not a key here/],
    [
      "a tag",
      withLines("tiers: !!binary b1E4ZQ=="),
      /the tag "tag:yaml.org,2002:binary" is not allowed/,
    ],
    ["a key that is a list", withLines("? [a, b]\n    : c"), /a key is not plain text/],
    [
      "two documents",
      "models: []\n---\nmodels: []\n",
      /^series\.yml:2: not valid YAML: .*multiple documents/,
    ],
    ["a tab", "models:\n\t- base-model: a/b\n", /^series\.yml:2: not valid YAML/],
    [
      "an expression",
      withLines(`name: \${{ secrets.HF_TOKEN }}`),
      /series\.yml:6: models\[0\]\.name: "\$\{\{ secrets\.HF_TOKEN \}\}" is an expression of a workflow/,
    ],
    ["a line break", withLines('name: "a\\nb"'), /series\.yml:6: .*has a line break/],
    ["text of several lines", withLines("name: |\n      a\n      ::error::b"), /has a line break/],
    [
      "a command of the runner in a key",
      withLines('"x\\n::set-output name=a::b": y'),
      /series\.yml:6: .*line break/,
    ],
    ["a NUL", withLines('name: "\\0"'), /cannot be shown/],
    ["text that runs backwards", withLines('name: "a\\u202eb"'), /cannot be shown/],
    ["a long value", withLines(`floors: ${"x".repeat(601)}`), /expected at most 600 characters/],
    ["deep nesting", `models: ${"[".repeat(5000)}`, /^series\.yml:1: nested too deeply/],
    [
      "moderate nesting",
      withLines(`tiers: ${"[".repeat(20)}x${"]".repeat(20)}`),
      /nested too deeply/,
    ],
    [
      "a huge file",
      `models: []\n${"#".repeat(300_000)}`,
      /^series\.yml:1: expected at most 256 KiB, got 292/,
    ],
  ])("%s is refused", (_, text, message) => {
    const { message: found } = fault(text);
    expect(found).toMatch(message);
    expect(found).toMatch(/^[^\n]+$/);
  });
});
