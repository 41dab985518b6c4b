import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { entryScene, expectRefused } from "./support/entry-scene.ts";
import type { Permission } from "./support/github-refusals.ts";
import { tokens } from "./support/github-server.ts";

/**
 * GitHub itself refuses a caller that allows less than the jobs ask for. What it lets run (a token
 * in place of the run's own, a workflow of one's own) ends in a message that names the line.
 */
const slow = { timeout: 120_000 };
const scene = entryScene();

/** A run with less than this right. */
async function without(right: Permission, ...given: Parameters<typeof scene.run>) {
  const { github } = scene;
  const all = github.permissions;
  github.permissions = { ...all, [right]: "read" };
  const done = await scene.run(...given);
  github.permissions = all;
  return done;
}
const line = (right: Permission) => new RegExp(`Add "${right}: write" to`);
const cards = { command: "cards", "github-token": tokens.job, models: '["tiny"]' };

describe("a right that the caller does not give", () => {
  test("id-token: Access names the line", slow, async () => {
    const done = await scene.run({ command: "access" });
    expectRefused(done, /no Hub token given/, /`id-token: write` below `permissions:` of the job/);
    expect(scene.writes()).toEqual([]);
  });

  test("contents: the cards' message names the line, and there is no branch", slow, async () => {
    const done = await without("contents", cards);
    expectRefused(done, /series\.yml:3 \(tiny\): cannot commit to the branch/, line("contents"));
    expect(await scene.github.ref("heads/oqe/cards/tiny")).toBeNull();
  });

  test(
    "pull-requests: the cards' message names the line; the next run opens it",
    slow,
    async () => {
      const done = await without("pull-requests", cards);
      expectRefused(done, /series\.yml:3 \(tiny\): cannot open the/, line("pull-requests"));
      expect(await scene.github.person("GET", "/pulls?state=all")).toEqual([]);
      await expectOpened();
    },
  );

  test.each(["issues", "actions"] as const)("%s: Report names the line", slow, async (right) => {
    const failure = { code: "NETWORK", message: "the Hub fails", hint: "" };
    const result = {
      ...{ format: 1, series: "tiny", command: "seal", complete: right === "issues", base: null },
      ...{ tiers: [], tables: [], failure: right === "issues" ? failure : null },
    };
    const folder = join(scene.folder, "work/results");
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "oqe-result-tiny.json"), JSON.stringify(result));
    const none = { total_count: 0, workflow_runs: [] };
    if (right === "actions") scene.github.refuse(/GET .*\/runs/, { status: 200, body: none });
    const inputs = { command: "report", "github-token": tokens.job, models: '["tiny"]' };
    const done = await without(right, inputs);
    expectRefused(done, /cannot (open the issue|start oqe\.yml again)/, line(right));
    expect(await scene.github.person("GET", "/issues?labels=oqe&state=all")).toEqual([]);
  });

  test("contents: Release names the line, and there is no release", slow, async () => {
    const sha = await scene.github.ref("heads/main");
    await scene.github.person("POST", "/git/refs", { ref: "refs/tags/v2", sha });
    const work = join(scene.folder, "release");
    const inputs = { command: "release", "github-token": tokens.job, "work-dir": work };
    const done = await without("contents", inputs, { name: "push", ref: "refs/tags/v2" });
    expectRefused(done, /cannot publish the release v2/, line("contents"));
    expect(await scene.github.person("GET", "/releases")).toEqual([]);
  });
});

describe("a repository where Actions may not open pull requests", () => {
  test("the message names the switch; the next run opens it on the same branch", slow, async () => {
    const [pull] = await scene.github.person<{ number: number }[]>("GET", "/pulls");
    await scene.github.person("PATCH", `/pulls/${pull!.number}`, { state: "closed", body: "" });
    scene.github.mayOpenPullRequests = false;
    const done = await scene.run(cards);
    scene.github.mayOpenPullRequests = true;
    expectRefused(done, /does not let Actions open pull requests/, /switch on "Allow GitHub Act/);
    await expectOpened();
  });
});

/** The same run, with the right, opens one pull request with the commit that the last one made. */
async function expectOpened(): Promise<void> {
  const branch = await scene.github.ref("heads/oqe/cards/tiny");
  expect(branch).not.toBeNull();
  const done = await scene.run(cards);
  expect(done.code, done.output).toBe(0);
  const [pull, ...others] = await scene.github.person<{ head: { sha: string } }[]>("GET", "/pulls");
  expect(others).toEqual([]);
  expect(pull!.head.sha).toBe(branch);
}
