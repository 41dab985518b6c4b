import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject } from "vitest";
import { type DirectRun, runEntry } from "../action/run.ts";
import { GitHubServer, tokens } from "./github-server.ts";
import { UpkeepScene } from "./upkeep-scene.ts";

/** A Hub token that may write to `acme`. */
export const good = "hf_tokenOfThisTestOnly";
const secrets = [good, tokens.job];
const sha = "a".repeat(40);

/** Two models; that of line 3 has two tiers. */
export const series = `defaults: { namespace: acme, method: rounded, policy: oq, verify: false, evaluation-samples: 2 }
models:
  - { base-model: base/tiny, tiers: [oQ8e, oQ4e] }
  - { base-model: base/other, tiers: oQ8e }
`;

interface Event {
  readonly name: string;
  readonly ref?: string;
  readonly payload?: object;
}
export const schedule: Event = { name: "schedule" };

/** The Action as a runner starts it, with a Hub, GitHub's API and the published series. */
export class EntryScene extends UpkeepScene {
  #github: GitHubServer | undefined;

  get github(): GitHubServer {
    if (this.#github === undefined) throw new Error("GitHub starts in beforeAll");
    return this.#github;
  }

  override async open(): Promise<void> {
    await super.open();
    this.#github = await GitHubServer.start();
    await mkdir(join(this.folder, "action"), { recursive: true });
    await symlink(inject("bundle"), join(this.folder, "action/dist"));
    await mkdir(this.workspace, { recursive: true });
    await this.publish(series);
  }

  override async close(): Promise<void> {
    await this.#github?.close();
    await super.close();
  }

  /** One run of the Action on an event. No token is in its log or summary. */
  async run(inputs: Record<string, string>, event = schedule, text = series): Promise<DirectRun> {
    const { folder, workspace, github } = this;
    await writeFile(join(workspace, "series.yml"), text);
    const path = join(folder, "event.json");
    await writeFile(path, JSON.stringify(event.payload ?? {}));
    this.seen = [];
    github.writes = [];
    const given = { "work-dir": join(folder, "work"), ...inputs };
    const done = await runEntry(join(folder, "action"), folder, given, {
      ...{ HF_ENDPOINT: this.hub.url, GITHUB_WORKSPACE: workspace },
      ...{ GITHUB_API_URL: github.url, GITHUB_REPOSITORY: github.repository },
      ...{ GITHUB_EVENT_NAME: event.name, GITHUB_EVENT_PATH: path, GITHUB_SHA: sha },
      GITHUB_REF: event.ref ?? "refs/heads/main",
      GITHUB_WORKFLOW_REF: "acme/series/.github/workflows/oqe.yml@refs/heads/main",
    });
    const rest = secrets.reduce(
      (log, one) => log.replaceAll(`::add-mask::${one}`, ""),
      done.output,
    );
    for (const secret of secrets) expect(rest + done.summary).not.toContain(secret);
    return done;
  }
}

/** Opens a scene before the tests of a file and closes it after them. */
export function entryScene(): EntryScene {
  const scene = new EntryScene();
  beforeAll(() => scene.open(), 120_000);
  afterAll(() => scene.close());
  return scene;
}

/** The run failed with one error, which is an annotation, and in the summary too. */
export function expectRefused(done: DirectRun, says: RegExp, hint: RegExp): void {
  expect(done.code).toBe(1);
  const lines = done.output.split("\n").filter((one) => one.startsWith("::error"));
  expect(lines, done.output).toHaveLength(1);
  expect(lines[0]).toMatch(says);
  expect(lines[0]).toMatch(hint);
  expect(done.summary).toMatch(/^\*\*Failed\*\*: /m);
  expect(done.output).not.toMatch(/^\s+at /m);
}
