import { afterAll, beforeAll, expect, test } from "vitest";
import { GitHubServer, tokens } from "../../test/support/github-server.ts";
import type { Report } from "../ground/report.ts";
import { openGitHub } from "./client.ts";
import { findEarlierRun } from "./earlier-run.ts";
import { startAgain, workflowFile } from "./start-again.ts";

let server: GitHubServer;
beforeAll(async () => {
  server = await GitHubServer.start();
});
afterAll(() => server.close());

const open = () =>
  openGitHub({
    ...{ token: tokens.job, apiUrl: server.url, repository: server.repository },
    report: { info: () => {}, warn: () => {} } as unknown as Report,
    second: 1,
  });

test("the newest artifact of the repository's own runs counts", async () => {
  const of = (id: number, created_at: string, changes: object = {}) => ({
    ...{ name: "oqe-sensitivity-nano", expired: false, created_at },
    workflow_run: { id, repository_id: 1, head_repository_id: 1 },
    ...changes,
  });
  const list = /^GET \/repos\/acme\/series\/actions\/artifacts\?name=oqe-sensitivity-nano/;
  const answer = (artifacts: readonly object[]) =>
    server.refuse(list, { status: 200, body: { total_count: artifacts.length, artifacts } });
  answer([
    of(1, "2026-11-01T00:00:00Z"),
    of(2, "2026-11-03T00:00:00Z"),
    of(3, "2026-11-04T00:00:00Z", { expired: true }),
    of(4, "2026-11-05T00:00:00Z", {
      workflow_run: { id: 4, repository_id: 1, head_repository_id: 2 }, // a fork
    }),
    of(5, "2026-11-06T00:00:00Z", { name: "oqe-sensitivity-nano-2" }),
    of(6, "2026-11-06T00:00:00Z", { workflow_run: null }),
  ]);
  expect(await findEarlierRun(await open(), "oqe-sensitivity-nano")).toBe(2);
  answer([]);
  expect(await findEarlierRun(await open(), "oqe-sensitivity-nano")).toBeNull();
});

test("a workflow starts again at a tag, whose runs are counted by its commit", async () => {
  const commit = (await server.ref("heads/main"))!;
  await server.person("POST", "/git/refs", { ref: "refs/tags/v1.0.0", sha: commit });
  const runs = { status: 200, body: { total_count: 0, workflow_runs: [] } };
  server.refuse(/GET .*\/workflows\/oqe\.yml\/runs/, runs);
  server.refuse(/POST .*\/workflows\/oqe\.yml\/dispatches/, { status: 204, body: null });
  const start = { workflow: "oqe.yml", ref: "refs/tags/v1.0.0", commit: "f".repeat(40) };
  expect(await startAgain(await open(), start)).toBe(true);
  expect(server.bodies.at(-1)).toEqual({ ref: "v1.0.0" });
  expect(server.calls.find((call) => call.includes("/runs?"))).toContain(`head_sha=${commit}`);
});

test("a token without the right is told which line to add", async () => {
  server.permissions.actions = "none";
  server.refuse(/GET .*\/runs/, { status: 200, body: { total_count: 0, workflow_runs: [] } });
  const start = { workflow: "oqe.yml", ref: "refs/heads/main", commit: "f".repeat(40) };
  await expect(startAgain(await open(), start)).rejects.toMatchObject({
    code: "FORBIDDEN",
    hint: expect.stringContaining('"actions: write"'),
  });
  server.permissions.actions = "write";
});

test("the workflow's file is that of the run", () => {
  const of = (path: string) => workflowFile(`acme/series/.github/workflows/${path}`);
  expect(of("oqe.yml@refs/heads/main")).toBe("oqe.yml");
  expect(of("a b.yaml@refs/heads/x@y")).toBe("a b.yaml");
  for (const other of [undefined, "", "acme/series/.github/workflows/../x@y"])
    expect(() => workflowFile(other)).toThrow(expect.objectContaining({ code: "BAD_INPUT" }));
});
