import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { afterAll, beforeAll } from "vitest";
import { parse, stringify } from "yaml";
import { firstFiles } from "../../src/series-file/first-files.ts";
import { makeRepository, root } from "../action/checkout.ts";
import { type ActCall, findTool, type Run, runAct } from "../action/run.ts";
import { standIns } from "../action/stand-ins.ts";
import { ActionScene, token } from "./action-scene.ts";
import { GitHubServer, tokens } from "./github-server.ts";

export const act = findTool("act");
/** The workflow that the caller names. */
const place = { repository: "maker/oqe-publisher", ref: "1".repeat(40) };
/** The workflows that other repositories call. */
const shipped = ["series.yml", "model.yml"].map((name) => `.github/workflows/${name}`);

/** An event as GitHub sends it. */
export type Event = Pick<ActCall, "event"> & { readonly payload: object };

const repository = { full_name: "acme/series", default_branch: "main", private: false };
/** The events that start the workflow. */
export const events = {
  tag: (tag: string): Event => ({
    event: "push",
    payload: { ref: `refs/tags/${tag}`, created: true, forced: false, repository },
  }),
  /** Without commits it is not known what changed, so any file may have. */
  push: (before?: string, after?: string): Event => ({
    event: "push",
    payload: { ref: "refs/heads/main", created: false, forced: false, repository, before, after },
  }),
  schedule: (): Event => ({
    event: "schedule",
    payload: { schedule: "17 3 * * 1", ref: "refs/heads/main", repository },
  }),
  dispatch: (inputs: Record<string, string> = {}, ref = "refs/heads/main"): Event => ({
    event: "workflow_dispatch",
    payload: { ref, inputs, repository },
  }),
  relay: (client_payload: object = {}): Event => ({
    event: "repository_dispatch",
    payload: { action: "oqe", branch: "main", client_payload, repository },
  }),
  pullRequest: (number: number, head: { ref: string; repository?: string }): Event => ({
    event: "pull_request",
    payload: {
      action: "opened",
      number,
      repository,
      pull_request: {
        number,
        head: {
          ref: head.ref,
          sha: "a".repeat(40),
          repo: {
            full_name: head.repository ?? "acme/series",
            fork: head.repository !== undefined,
          },
        },
        base: { ref: "main", sha: "b".repeat(40), repo: { full_name: "acme/series" } },
      },
    },
  }),
};

export interface Told extends Run {
  /** Requests that change something, on the Hub and on GitHub; and attested files. */
  readonly writes: readonly string[];
}

/**
 * A repository `acme/series` with the files that `oqe init` writes, the local Hub, GitHub's API,
 * and act. Before act runs them, what it does not know is taken out of the shipped workflows:
 * `queue: max` of concurrency groups. And act looks for a workflow that a called one calls in the
 * caller's repository (its issue 1875), so a copy is there. The jobs Tune tell the stand-in of the
 * checkout which tier is theirs, so that one of them can fail; the job Measure says `measure`. A
 * model `hybrid` has a job that works ahead, as only large models have.
 */
export class WorkflowScene extends ActionScene {
  #github: GitHubServer | undefined;

  get github(): GitHubServer {
    if (this.#github === undefined) throw new Error("GitHub starts in beforeAll");
    return this.#github;
  }

  /** The caller's repository. */
  get repository(): string {
    return `${this.scratch}/repository`;
  }

  /** What jobs hand on to later jobs of a run. */
  get artifacts(): string {
    return `${this.scratch}/artifacts`;
  }

  get attested(): string {
    return `${this.scratch}/attested`;
  }

  override async open(): Promise<void> {
    await super.open();
    this.#github = await GitHubServer.start();
    for (const path of shipped) {
      const text = await readFile(`${root}${path}`, "utf8");
      const without = text
        .replace(/^ +queue: max\n/gm, "")
        .replace(/^ {2}tune:\n/m, `  tune:\n    env:\n      TIER: \${{ matrix.tier }}\n`)
        .replace("needs.measure.outputs.ahead == 'true'", "inputs.name == 'hybrid'")
        .replace(/^ {2}measure:\n/m, "  measure:\n    env:\n      TIER: measure\n");
      await mkdir(`${this.action}/.github/workflows`, { recursive: true });
      await writeFile(`${this.action}/${path}`, without);
    }
    await mkdir(this.artifacts);
    await mkdir(this.attested);
    for (const [path, text] of await firstFiles(place)) await this.write(path, text);
    await makeRepository(this.repository, [`${this.action}/${shipped[1]}`], "v1.0.0");
  }

  override async close(): Promise<void> {
    await this.#github?.close();
    await super.close();
  }

  /** Writes a file into the caller's repository. The tests of act run on the working tree. */
  async write(path: string, text: string): Promise<void> {
    await mkdir(`${this.repository}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await writeFile(`${this.repository}/${path}`, text);
  }

  /** Brings a folder of a branch on GitHub into the caller's repository. */
  async checkOut(branch: string, folder: string): Promise<void> {
    await rm(`${this.repository}/${folder}`, { recursive: true, force: true });
    const commit = await this.github.ref(`heads/${branch}`); // the emulator finds no name with /
    const { tree } = await this.github.person<{ tree: { path: string; type: string }[] }>(
      "GET",
      `/git/trees/${commit}?recursive=1`,
    );
    for (const { path, type } of tree)
      if (type === "blob" && path.startsWith(`${folder}/`))
        await this.write(path, (await this.github.file(branch, path))!);
  }

  /** Runs the caller's workflow on an event. The artifacts of the last run are gone. */
  async run(event: Event, more: Partial<ActCall> = {}): Promise<Told> {
    for (const name of await readdir(this.artifacts))
      await rm(`${this.artifacts}/${name}`, { recursive: true });
    return this.#run(event, this.action, more);
  }

  /**
   * The jobs behind a model that failed, with what the last run left. act ends a run when a called
   * workflow fails, where GitHub goes on. So here a job that fails takes the place of the models.
   */
  async runAfterFailure(event: Event): Promise<Told> {
    const action = `${this.scratch}/failed`;
    await cp(this.action, action, { recursive: true });
    const path = `${action}/${shipped[0]}`;
    const workflow = parse(await readFile(path, "utf8"));
    const { needs, if: condition } = workflow.jobs.series;
    workflow.jobs.series = {
      ...{ needs, if: condition, "runs-on": "ubuntu-latest" },
      steps: [{ run: "exit 1" }],
    };
    await writeFile(path, stringify(workflow));
    return this.#run(event, action, {});
  }

  async #run({ event, payload }: Event, action: string, more: Partial<ActCall>): Promise<Told> {
    if (act === null) throw new Error("act is not installed: run .ci/toolchain actions");
    this.writes = [];
    this.github.writes = [];
    for (const name of await readdir(this.attested)) await rm(`${this.attested}/${name}`);
    const { environment, secrets, ...others } = more;
    const run = await runAct(act, this.scratch, {
      repository: this.repository,
      workflow: ".github/workflows/oqe.yml",
      event,
      payload,
      variables: {},
      token,
      secrets: { GITHUB_TOKEN: tokens.job, ...secrets },
      local: [`${place.repository}@${place.ref}=${action}`, ...(await standIns())],
      environment: {
        ...{ HF_ENDPOINT: this.hub.url, GITHUB_API_URL: this.github.url },
        ...{ LOST: "none", ATTEST: "works" },
        GITHUB_WORKFLOW_REF: "acme/series/.github/workflows/oqe.yml@refs/heads/main",
        ...{ ACTION: this.action, REPOSITORY: this.repository },
        ...{ ARTIFACTS: this.artifacts, ATTESTED: this.attested },
        ...environment,
      },
      ...others,
    });
    const attested = (await readdir(this.attested)).map((name) => `attest ${name}`);
    return { ...run, writes: [...this.writes, ...this.github.writes, ...attested] };
  }
}

/** Opens a scene before the tests of a file and closes it after them. */
export function workflowScene(): WorkflowScene {
  const scene = new WorkflowScene();
  beforeAll(() => scene.open());
  afterAll(() => scene.close());
  return scene;
}
