import { describe, expect, test } from "vitest";
import type { GitHubEvent } from "../github/event.ts";
import { parseSeriesFile } from "../series-file/series-file.ts";
import { agendaOf } from "./agenda.ts";

const file = parseSeriesFile(
  `defaults: { namespace: acme }
models:
  - base-model: org/One@v2
  - base-model: org/Two
    name: second
`,
  "series.yml",
);

function agenda(event: GitHubEvent, paths: readonly string[] | null = null) {
  const lines: string[] = [];
  const log = (line: string) => void lines.push(line);
  const { models, ...rest } = agendaOf(event, { file, paths }, { info: log, warn: log });
  return { ...rest, models: models.map(({ name }) => name), lines };
}

const sha = "a".repeat(40);
const push = { kind: "push", branch: "main", sha, before: sha, isDefaultBranch: true } as const;
const pull = { kind: "pull_request", number: 3, head: sha, isFork: false } as const;
const both = ["One", "second"];

describe("what an event asks for", () => {
  test.each<[string, GitHubEvent, readonly string[] | null, object]>([
    [
      "a tag",
      { kind: "tag", tag: "v1", sha, forced: false },
      null,
      { task: "release", models: both, changedCards: [] },
    ],
    [
      "the schedule",
      { kind: "schedule", cron: "" },
      null,
      { task: "make", models: both, changedCards: [] },
    ],
    [
      "a run by hand",
      { kind: "workflow_dispatch", inputs: {} },
      null,
      { task: "make", models: both },
    ],
    [
      "a run by hand of one model",
      { kind: "workflow_dispatch", inputs: { series: "second" } },
      null,
      { task: "make", models: ["second"] },
    ],
    [
      "a base that moved",
      { kind: "repository_dispatch", type: "oqe", repository: "ORG/one" },
      null,
      { task: "make", models: ["One"] },
    ],
    [
      "a webhook that names no base",
      { kind: "repository_dispatch", type: "oqe", repository: null },
      null,
      { task: "make", models: both },
    ],
    [
      "the base of no model",
      { kind: "repository_dispatch", type: "oqe", repository: "org/Three" },
      null,
      {
        task: "make",
        models: [],
        lines: [expect.stringMatching(/org\/Three is the base of no model/)],
      },
    ],
    [
      "merged cards",
      push,
      ["cards/second/oQ8e.md", "README.md"],
      { task: "none", models: [], changedCards: ["second"] },
    ],
    [
      "a merged series file",
      push,
      ["series.yml"],
      { task: "make", models: both, changedCards: [] },
    ],
    [
      "both",
      push,
      ["series.yml", "cards/One/oQ8e/oqe-kl.svg"],
      { task: "make", models: both, changedCards: ["One"] },
    ],
    [
      "a push whose files are not known",
      push,
      null,
      { task: "make", models: both, changedCards: both },
    ],
    [
      "cards of no model",
      push,
      ["cards/gone/oQ8e.md", "cards/x.md"],
      {
        task: "none",
        changedCards: [],
        lines: [expect.stringMatching(/folders of no model .*"gone"$/)],
      },
    ],
    [
      "a push to another branch",
      { ...push, branch: "oqe/cards/One", isDefaultBranch: false },
      ["series.yml"],
      { task: "none", models: [], changedCards: [] },
    ],
    [
      "a pull request of the series file",
      pull,
      ["series.yml"],
      { task: "comment", models: both, changedCards: [] },
    ],
    [
      "a pull request of cards",
      pull,
      ["cards/One/oQ8e.md"],
      { task: "comment", models: [], changedCards: ["One"] },
    ],
    [
      "a pull request of other files",
      pull,
      ["README.md"],
      { task: "none", models: [], changedCards: [] },
    ],
    [
      "another event",
      { kind: "other", name: "release" },
      null,
      {
        task: "none",
        models: [],
        lines: [expect.stringMatching(/nothing is done for the event release/)],
      },
    ],
  ])("%s", (_, event, paths, expected) => {
    expect(agenda(event, paths)).toMatchObject(expected);
  });

  test("a moved tag is refused, and so is a model that is not in the file", () => {
    const moved = { kind: "tag", tag: "v1", sha, forced: true } as const;
    expect(() => agenda(moved)).toThrow(expect.objectContaining({ code: "CONFLICT" }));
    const unknown = { kind: "workflow_dispatch", inputs: { series: "secnd" } } as const;
    expect(() => agenda(unknown)).toThrow(
      expect.objectContaining({ hint: expect.stringMatching(/^Did you mean second\?/) }),
    );
  });
});
