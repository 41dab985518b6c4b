import { existsSync } from "node:fs";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from "vitest";
import { type DirectRun, runEntry } from "./action/run.ts";
import { GitHubServer, tokens } from "./support/github-server.ts";
import { upkeepScene } from "./support/upkeep-scene.ts";

/** The Action as a runner starts it, with events whose texts a stranger chose. */
const scene = upkeepScene();
const series = `models:
  - base-model: base/tiny
    namespace: acme
    method: rounded
    policy: oq
    verify: false
    tiers: oQ8e
`;
const sha = "a".repeat(40);
let github: GitHubServer;

beforeAll(async () => {
  github = await GitHubServer.start();
  await mkdir(join(scene.folder, "action"), { recursive: true });
  await symlink(inject("bundle"), join(scene.folder, "action/dist"));
  await mkdir(scene.workspace, { recursive: true });
  await writeFile(join(scene.workspace, "series.yml"), series);
});
afterAll(() => github.close());
afterEach(() => expect(existsSync(pwned)).toBe(false));

async function run(
  command: string,
  name: string,
  event: { readonly ref?: string; readonly payload: object },
): Promise<DirectRun> {
  const path = join(scene.folder, "event.json");
  await writeFile(path, JSON.stringify(event.payload));
  const inputs = { command, "github-token": tokens.job, "work-dir": join(scene.folder, "work") };
  return runEntry(join(scene.folder, "action"), scene.folder, inputs, {
    ...{ HF_ENDPOINT: scene.hub.url, GITHUB_WORKSPACE: scene.workspace },
    ...{ GITHUB_API_URL: github.url, GITHUB_REPOSITORY: github.repository },
    ...{ GITHUB_EVENT_NAME: name, GITHUB_EVENT_PATH: path },
    ...{ GITHUB_REF: event.ref ?? "refs/heads/main", GITHUB_SHA: sha },
  });
}

/** What a shell would make of the names below. */
const pwned = join(tmpdir(), `oqe-pwned-${process.pid}`);
/** Starts a command of the runner, sets an output, runs in a shell, or is an expression. */
const hostile = [
  "v1\n::set-output name=mode::release",
  "v1\r::add-mask::a",
  "v1\r\nmode<<EOF\nrelease\nEOF",
  "v1%0A::error::x",
  "v1 ##[error]x",
  `$(touch$IFS${pwned})`,
  `\`touch ${pwned}\``,
  `v1;touch$IFS${pwned}`,
  `v1$${"{{github.token}}"}`,
];

/** Lines that the runner takes for commands, but for those of the Action itself. */
const commandsIn = ({ output }: DirectRun) =>
  output
    .split(/[\r\n]+/)
    .filter((line) => /^\s*::|##\[/.test(line))
    .filter((line) => !/^::(error|warning|group|endgroup|add-mask::ghs_)/.test(line));

describe("a hostile name of a tag or branch", () => {
  test.each(hostile)(
    "%j is refused by check, in one message",
    async (name) => {
      for (const kind of ["tags", "heads"]) {
        const ref = `refs/${kind}/${name}`;
        const done = await run("check", "push", { ref, payload: { ref, after: sha } });
        expect(done.code).toBe(1);
        expect(done.outputs).toEqual({});
        expect(commandsIn(done)).toEqual([]);
        expect(done.output.match(/^::error/gm)).toHaveLength(1);
        expect(done.output).toContain("[BAD_INPUT]");
      }
    },
    60_000,
  );

  test("is refused by release before anything is asked or written", async () => {
    github.calls = [];
    for (const name of hostile) {
      const ref = `refs/tags/${name}`;
      const done = await run("release", "push", { ref, payload: { ref, after: sha } });
      expect(done).toMatchObject({ code: 1, outputs: {} });
      expect(done.output).toContain("[BAD_INPUT]");
      expect(commandsIn(done)).toEqual([]);
    }
    expect(github.calls).toEqual([]);
  }, 120_000);
});

test("title and branch of a stranger's pull request are not read; a fork gets no comment", async () => {
  for (const text of hostile) {
    const payload = {
      number: 1,
      pull_request: {
        ...{ title: text, body: text },
        head: { sha, ref: text, label: text, repo: { full_name: "mallory/series" } },
        base: { repo: { full_name: github.repository } },
      },
    };
    github.refuse(/^GET .*\/pulls\/1\/files/, { status: 200, body: [{ filename: "series.yml" }] });
    const done = await run("check", "pull_request", { payload });
    expect(done.code, done.output).toBe(0);
    expect(commandsIn(done)).toEqual([]);
    expect(done.output + JSON.stringify(done.outputs) + done.summary).not.toContain(text);
  }
  expect(github.writes).toEqual([]);
}, 120_000);

test("a dispatch that names no repository of the Hub is refused", async () => {
  for (const text of hostile) {
    const payload = { action: "oqe", client_payload: { repository: text } };
    const done = await run("check", "repository_dispatch", { payload });
    expect(done.code).toBe(1);
    expect(commandsIn(done)).toEqual([]);
  }
}, 60_000);
