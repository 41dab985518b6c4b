import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { GitHubServer, tokens } from "../../test/support/github-server.ts";
import { removeFolder, scratchFolder } from "../../test/support/models.ts";
import { OqeError } from "../ground/errors.ts";
import type { SeriesResult } from "../series/result-file.ts";
import { reportResults, resultsFolder } from "./report.ts";
import type { UpkeepRequest } from "./upkeep-types.ts";

let github: GitHubServer;
let folder: string;
beforeEach(async () => {
  github = await GitHubServer.start();
  folder = await scratchFolder();
});
afterEach(async () => {
  await github.close();
  await removeFolder(folder);
});

const failed = { code: "NETWORK", message: "the Hub answers 503", hint: "Try again later." };
const result = (series: string, changes: Partial<SeriesResult> = {}): SeriesResult => ({
  ...{ format: 1, series, command: "seal", complete: true, tables: [], failure: null },
  ...{ base: { id: "org/Nano", revision: "c".repeat(40) }, tiers: [], ...changes },
});
const whole = (command: string, changes: Partial<SeriesResult> = {}) =>
  result("", { command, series: null, base: null, ...changes });
const sha = "d".repeat(40);

type More = Pick<UpkeepRequest, "unreadable"> & Partial<Pick<UpkeepRequest["asked"], "jobs">>;

/** Reports a run of the models `nano` and `mini`, of which those in `models` had to be made. */
async function report(
  models: readonly string[] | null,
  jobs: readonly SeriesResult[],
  { unreadable = null, ...more }: More = {},
) {
  const checked = ["nano", "mini"].map((name) => result(name, { command: "check" }));
  const results = models === null ? jobs : [...jobs, ...checked];
  const place = join(folder, resultsFolder);
  await removeFolder(place);
  await mkdir(place, { recursive: true });
  for (const one of results) {
    const name = one.series ?? "@all";
    const artifact = join(place, `oqe-result-${name}-${one.command}`);
    await mkdir(artifact);
    await writeFile(join(artifact, `oqe-result-${name}.json`), JSON.stringify(one));
  }
  github.writes = [];
  const asked = { workDir: folder, models, jobs: null, githubToken: tokens.job, ...more };
  const environment = {
    ...{ GITHUB_API_URL: github.url, GITHUB_REPOSITORY: github.repository },
    ...{ GITHUB_REF: "refs/heads/main", GITHUB_SHA: sha },
    GITHUB_WORKFLOW_REF: "acme/series/.github/workflows/oqe.yml@refs/heads/main",
  };
  const names = unreadable === null ? ["nano", "mini"] : [];
  const file = { name: "series.yml", models: names.map((name) => ({ name })) };
  const lines: string[] = [];
  const log = {
    info: (line: string) => lines.push(line),
    warn: (line: string) => lines.push(line),
  };
  const request = { asked, environment, file, unreadable, report: log } as unknown as UpkeepRequest;
  return { ...(await reportResults(request)), writes: github.writes, lines };
}

const issues = (state: string) =>
  github.person<{ title: string; body: string; number: number }[]>("GET", `/issues?state=${state}`);

describe("report", () => {
  test("a run that went well, or had nothing to do, writes nothing", {
    timeout: 60_000,
  }, async () => {
    expect((await report([], [])).writes).toEqual([]);
    const { writes, summary } = await report(["nano"], [result("nano")]);
    expect(writes).toEqual([]);
    expect(summary).toContain("- nano: went well");
  });

  test("a failure opens one issue, the same again writes nothing, success closes it", {
    timeout: 60_000,
  }, async () => {
    const first = await report(
      ["nano", "mini"],
      [result("nano", { failure: failed }), result("mini")],
    );
    expect(first.writes).toEqual(["POST /repos/acme/series/issues"]);
    const [issue, ...others] = await issues("open");
    expect(others).toEqual([]);
    expect(issue!.title).toBe("oQe series nano was not published");
    expect(issue!.body).toContain("the Hub answers 503 (`NETWORK`)");
    expect(issue!.body).toContain(
      "[Runs of this workflow](https://github.com/acme/series/actions/workflows/oqe.yml)",
    );
    const second = await report(["nano"], [result("nano", { failure: failed })]);
    expect(second.writes).toEqual([]);
    expect(second.summary).toContain(`(unchanged)`);
    const tables = [{ title: "oQ4e", markdown: "| before | after |\n|---|---|\n| 1 | 2 |" }];
    const worse = { ...failed, code: "GATE", message: "the new proof is worse" };
    expect((await report(["nano"], [result("nano", { failure: worse, tables })])).writes).toEqual([
      `PATCH /repos/acme/series/issues/${issue!.number}`,
    ]);
    expect((await issues("open"))[0]!.body).toContain("| before | after |");
    const { writes } = await report([], []);
    expect(writes).toEqual([`PATCH /repos/acme/series/issues/${issue!.number}`]);
    expect(await issues("open")).toEqual([]);
    expect((await report([], [])).writes).toEqual([]);
  });

  test("a job without a result is a failure, and a damaged result says so", {
    timeout: 60_000,
  }, async () => {
    const { writes, lines } = await report(["nano"], [result("nano", { format: 2 } as never)]);
    expect(writes).toEqual(["POST /repos/acme/series/issues"]);
    expect((await issues("open"))[0]!.body).toContain("ended without a result");
    expect(lines.join()).toContain("oqe-result-nano.json");
  });

  test("a check that failed has its own issue", { timeout: 60_000 }, async () => {
    const moved = { code: "CONFLICT", message: "the tag v1 was moved", hint: "Push a new tag." };
    const check = whole("check", { failure: moved });
    expect((await report(null, [check])).writes).toEqual(["POST /repos/acme/series/issues"]);
    const [issue] = await issues("open");
    expect(issue!.title).toBe("oQe series: the check failed");
    expect(issue!.body).toContain("the tag v1 was moved (`CONFLICT`)\n\nPush a new tag.");
    expect((await report(null, [check])).writes).toEqual([]);
    await report([], []);
    expect(await issues("open")).toEqual([]);
    await report(null, []);
    expect((await issues("open"))[0]!.body).toContain("ended without a result");
  });

  test("a series file that cannot be read has one issue, closed when it can be", {
    timeout: 60_000,
  }, async () => {
    const message = "series.yml:7: models[0].teirs: is not a key here";
    const unreadable = new OqeError("BAD_INPUT", message, "Did you mean tiers?");
    const check = whole("check", { failure: { code: "BAD_INPUT", message, hint: "" } });
    const first = await report(null, [check], { unreadable });
    expect(first.writes).toEqual(["POST /repos/acme/series/issues"]);
    const [issue] = await issues("open");
    expect(issue!.title).toBe("oQe series: series.yml cannot be read");
    expect(issue!.body).toContain("series.yml:7: models\\[0\\].teirs: is not a key here");
    expect(issue!.body).toContain("Did you mean tiers?");
    expect((await report(null, [check], { unreadable })).writes).toEqual([]);
    const other = new OqeError("BAD_INPUT", "series.yml:9: models[1]: namespace is missing", "");
    const patch = `PATCH /repos/acme/series/issues/${issue!.number}`;
    expect((await report(null, [], { unreadable: other })).writes).toEqual([patch]);
    expect((await report([], [])).writes).toEqual([patch]);
    expect(await issues("open")).toEqual([]);
    expect((await report([], [])).writes).toEqual([]);
  });

  test.each([
    ["cards", "oQe series nano: the card pull request failed", "The next run tries again."],
    ["push-cards", "oQe series nano: merged cards were not sent to the Hub", "Run the failed jobs"],
  ])(
    "%s of one model that failed have one issue, closed when they go well",
    {
      timeout: 60_000,
    },
    async (command, title, advice) => {
      const done = result("mini", { command });
      const broken = [result("nano", { command, failure: failed }), done];
      const jobs = { check: "success", series: "skipped", [command]: "failure" };
      const red = [...broken, whole(command, { failure: failed })];
      const first = await report([], red, { jobs });
      expect(first.writes).toEqual(["POST /repos/acme/series/issues"]);
      const [issue] = await issues("open");
      expect(issue!.title).toBe(title);
      expect(issue!.body).toContain("the Hub answers 503 (`NETWORK`)\n\nTry again later.");
      expect(issue!.body).toContain(advice);
      expect((await report([], red, { jobs })).writes).toEqual([]);
      const green = { ...jobs, [command]: "success" };
      const good = [result("nano", { command }), done, whole(command)];
      const patch = `PATCH /repos/acme/series/issues/${issue!.number}`;
      expect((await report([], good, { jobs: green })).writes).toEqual([patch]);
      expect(await issues("open")).toEqual([]);
      expect((await report([], good, { jobs: green })).writes).toEqual([]);
    },
  );

  test("a job that failed as a whole, or was lost, has one issue", {
    timeout: 60_000,
  }, async () => {
    const jobs = { check: "success", cards: "skipped", release: "failure" };
    const red = [whole("release", { failure: failed })];
    expect((await report([], red, { jobs })).writes).toEqual(["POST /repos/acme/series/issues"]);
    const [issue] = await issues("open");
    expect(issue!.title).toBe('oQe series: the job "Release" failed');
    expect(issue!.body).toContain("Run the failed jobs of that tag again");
    expect((await report([], red, { jobs })).writes).toEqual([]);
    const patch = `PATCH /repos/acme/series/issues/${issue!.number}`;
    // An attestation behind a command that went well.
    expect((await report([], [whole("release")], { jobs })).writes).toEqual([patch]);
    expect((await issues("open"))[0]!.body).toContain("another step failed");
    expect((await report([], [], { jobs })).writes).toEqual([patch]);
    expect((await issues("open"))[0]!.body).toContain("ended without a result");
    // A run without a release says nothing of it.
    expect((await report([], [], { jobs: { release: "skipped" } })).writes).toEqual([]);
    const good = { jobs: { release: "success" } };
    expect((await report([], [whole("release")], good)).writes).toEqual([patch]);
    expect(await issues("open")).toEqual([]);
  });

  const runs = /^GET \/repos\/acme\/series\/actions\/workflows\/oqe\.yml\/runs\?/;
  const dispatch = "POST /repos/acme/series/actions/workflows/oqe.yml/dispatches";
  const started = (total_count: number) =>
    github.refuse(runs, { status: 200, body: { total_count, workflow_runs: [] } });

  test("a model that stopped at its time limit goes on in a new run", {
    timeout: 60_000,
  }, async () => {
    started(19);
    github.refuse(new RegExp(`^${dispatch}$`), { status: 204, body: null });
    github.bodies = [];
    const { writes } = await report(["nano"], [result("nano", { complete: false })]);
    expect(writes).toEqual([dispatch]);
    expect(github.bodies).toEqual([{ ref: "main" }]);
    const asked = github.calls.find((call) => runs.test(call))!;
    expect(asked).toMatch(
      new RegExp(`event=workflow_dispatch.*head_sha=${sha}|head_sha=${sha}.*event=`),
    );
    expect(await issues("open")).toEqual([]);
  });

  test("if no new run can be started, the issues of the others are written first", {
    timeout: 60_000,
  }, async () => {
    started(0);
    const answer = { message: "Workflow does not have 'workflow_dispatch' trigger" };
    github.refuse(new RegExp(`^${dispatch}$`), { status: 422, body: answer });
    const { writes, summary, failure } = await report(
      ["nano", "mini"],
      [result("nano", { complete: false }), result("mini", { failure: failed })],
    );
    expect(writes).toEqual(["POST /repos/acme/series/issues", dispatch]);
    expect((await issues("open"))[0]!.title).toBe("oQe series mini was not published");
    expect(summary).toContain("- nano: stopped, no new run goes on");
    expect(failure).toMatchObject({ message: expect.stringContaining("workflow_dispatch") });
  });

  test("after 20 runs of a commit it does not, and an issue says so", {
    timeout: 60_000,
  }, async () => {
    started(20);
    const { writes } = await report(["nano"], [result("nano", { complete: false })]);
    expect(writes).toEqual(["POST /repos/acme/series/issues"]);
    expect((await issues("open"))[0]!.body).toContain("20 runs of this commit");
  });
});
