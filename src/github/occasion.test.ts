import { execFileSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { describeOccasion, isUnattended } from "./occasion.ts";

test("a tag push is described by its tag, another event by its commit", () => {
  const push = { eventName: "push", ref: "refs/tags/v1.2.0", sha: "a".repeat(40) };
  expect(describeOccasion(push, "acme/models")).toBe("tag v1.2.0 of acme/models");
  const manual = { ...push, eventName: "workflow_dispatch", ref: "refs/heads/main" };
  expect(describeOccasion(manual, "acme/models")).toBe(
    "workflow_dispatch of acme/models at aaaaaaaaaaaa",
  );
  expect(describeOccasion(push)).toBe("");
  expect(describeOccasion(null, "acme/models")).toBe("");
});

test("a hostile tag stays on one line", () => {
  const push = { eventName: "push", ref: "refs/tags/v1\r\n::error::x", sha: "" };
  expect(describeOccasion(push, "acme/models")).toBe("tag v1 ::error::x of acme/models");
});

test.each([
  [true, "schedule", "ada", "refs/heads/main"],
  [true, "repository_dispatch", "ada", "refs/heads/main"],
  [false, "workflow_dispatch", "ada", "refs/heads/main"],
  [true, "workflow_dispatch", "github-actions[bot]", "refs/heads/main"],
  [false, "workflow_dispatch", "github-actions[bot]", "refs/tags/v1.0.0"],
  [false, "push", "dependabot[bot]", "refs/heads/main"],
  [false, undefined, undefined, undefined],
])("unattended is %s for %s by %s at %s", (expected, event, actor, ref) => {
  const environment = { GITHUB_EVENT_NAME: event, GITHUB_ACTOR: actor, GITHUB_REF: ref };
  expect(isUnattended(environment)).toBe(expected);
});

// The toolkit reads the environment when it is loaded, so each case is a process of its own.
test.each([
  ["no event file", null, "push refs/tags/v2"],
  ["an event file", "{}", "push refs/tags/v2"],
  ["a damaged event file", "{ not json", "null"],
])("with %s the toolkit gives its context, or nothing", (_, event, expected) => {
  const file = join(mkdtempSync(join(tmpdir(), "oqe-event-")), "event.json");
  if (event !== null) writeFileSync(file, event);
  const script = `
    const { readOccasion } = await import(${JSON.stringify(fileURLToPath(new URL("./occasion.ts", import.meta.url)))});
    const read = await readOccasion();
    console.log(read && read.eventName + " " + read.ref);`;
  const stdout = execFileSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
    cwd: fileURLToPath(new URL("../../", import.meta.url)),
    env: {
      PATH: process.env.PATH,
      GITHUB_EVENT_NAME: "push",
      GITHUB_REF: "refs/tags/v2",
      ...(event !== null && { GITHUB_EVENT_PATH: file }),
    },
  });
  expect(stdout.trim().split("\n").at(-1)).toBe(expected);
});
