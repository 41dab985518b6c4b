import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { firstFiles } from "../src/series-file/first-files.ts";
import { checkSeries } from "../src/upkeep/check.ts";
import { GitHubServer, tokens } from "./support/github-server.ts";
import { schedule, upkeepScene } from "./support/upkeep-scene.ts";

/** `check` reads the workflows of the checked-out repository that call series.yml. */
const scene = upkeepScene();
const path = ".github/workflows/oqe.yml";
const place = { repository: "acme/oqe-publisher", ref: "1".repeat(40) };
const good = (await firstFiles(place)).get(path)!;
const series = `models:
  - { base-model: base/tiny, namespace: acme, method: rounded, policy: oq, tiers: oQ8e }
`;
let github: GitHubServer;
let number: number;
let head: string;

beforeAll(async () => {
  github = await GitHubServer.start();
  const sha = await github.ref("heads/main");
  await github.person("POST", "/git/refs", { ref: "refs/heads/ci", sha });
  await github.personCommits("ci", path, good);
  const pull = { title: "Another day", head: "ci", base: "main" };
  const made = await github.person<{ number: number; head: { sha: string } }>(
    "POST",
    "/pulls",
    pull,
  );
  number = made.number;
  head = made.head.sha;
});
afterAll(() => github.close());

/** Writes the workflow, and checks on this event. */
async function check(text: string, event: "schedule" | "pull_request") {
  await mkdir(join(scene.workspace, ".github/workflows"), { recursive: true });
  await writeFile(join(scene.workspace, path), text);
  const repo = { full_name: github.repository };
  const pull_request = { head: { sha: head, repo }, base: { repo } };
  const pull = { name: "pull_request", payload: { number, pull_request } };
  const server = { GITHUB_API_URL: github.url, GITHUB_REPOSITORY: github.repository };
  const given = { "github-token": tokens.job };
  github.refuse(/\/actions\/artifacts/, { status: 200, body: { artifacts: [] } });
  const asked = event === "schedule" ? schedule : pull;
  const request = await scene.request(series, asked, given, server);
  github.writes = [];
  const { outputs, summary, failure } = await checkSeries(request);
  expect(scene.writes()).toEqual([]);
  const comments = await github.person<{ body: string }[]>("GET", `/issues/${number}/comments`);
  const bodies = comments.map(({ body }) => body);
  return { outputs, summary, failure, bodies, writes: github.writes, lines: scene.lines };
}

const badCron = good.replace("17 3 * * 1", "17 3 * * 8");
const cronLine = good.slice(0, good.indexOf("cron:")).split("\n").length;

describe("a pull request that changes the calling workflow", () => {
  test("gets a comment that says so, and a second run writes nothing", async () => {
    const first = await check(good, "pull_request");
    expect(first).toMatchObject({ failure: null, outputs: { mode: "comment" } });
    expect(first.bodies).toEqual([
      expect.stringContaining(
        "### The calling workflow\n\n- `.github/workflows/oqe.yml` calls the series workflow as it should.",
      ),
    ]);
    expect(first.bodies[0]).not.toContain("would make"); // the models were not looked at
    expect((await check(good, "pull_request")).writes).toEqual([]);
  });

  test("fails for what GitHub would refuse, with file, line and key; the comment has all", async () => {
    const text = badCron
      .replace("      issues: write\n", "")
      .replace(/ {2}workflow_dispatch:\n( {4}.*\n)+/, "");
    const { failure, bodies, summary, lines } = await check(text, "pull_request");
    expect(failure).toMatchObject({
      code: "BAD_INPUT",
      message: expect.stringMatching(
        new RegExp(
          `^\\.github/workflows/oqe\\.yml:${cronLine}: on\\.schedule\\[0\\]\\.cron: "17 3 \\* \\* 8": ` +
            "day of the week: expected 0 to 6.*; .*oqe\\.yml:\\d+: jobs\\.series\\.permissions: " +
            "the line `issues: write` is missing, so GitHub starts no job of this file$",
        ),
      ),
    });
    for (const said of [bodies[0], summary]) {
      expect(said).toMatch(/- \*\*error\*\*: .*expected 0 to 6/);
      expect(said).toMatch(/- \*\*error\*\*: .*issues: write/);
      expect(said).toMatch(/- \*\*warning\*\*: .*workflow\\?_dispatch is missing/);
    }
    expect(lines.filter((line) => line.startsWith(path))).toEqual([
      expect.stringMatching(/^\.github\/.*workflow_dispatch is missing/),
    ]);
  });
});

describe("any other run", () => {
  test("warns of the same, and goes on", async () => {
    const { failure, outputs, summary, lines } = await check(badCron, "schedule");
    expect({ failure, mode: outputs.mode }).toEqual({ failure: null, mode: "requantize" });
    expect(lines).toContainEqual(
      expect.stringMatching(
        new RegExp(`^\\.github/workflows/oqe\\.yml:${cronLine}: on\\.schedule`),
      ),
    );
    expect(summary).toContain("### The calling workflow");
  });

  test("says nothing of a workflow that is as it should be, of others, and of links", async () => {
    const folder = join(scene.workspace, ".github/workflows");
    await writeFile(join(folder, "other.yml"), "on: { schedule: [{ cron: x }] }\njobs: {}\n");
    await symlink("/etc/hostname", join(folder, "link.yml"));
    const { summary, lines } = await check(good, "schedule");
    expect(summary).not.toContain("calling");
    expect(lines.filter((line) => line.startsWith(".github/workflows/o"))).toEqual([]);
    await rm(folder, { recursive: true });
  });
});
