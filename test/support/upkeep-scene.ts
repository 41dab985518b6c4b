import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { inRepository } from "../../src/card/facts.ts";
import { renderCard } from "../../src/card/render.ts";
import { openDependencies } from "../../src/entry/dependencies.ts";
import { type Report, silentReport } from "../../src/ground/report.ts";
import { connectHub } from "../../src/hub/client.ts";
import { parseSums, sha256Of, writeSums } from "../../src/hub/sums.ts";
import { parseActionInputs } from "../../src/inputs/action-inputs.ts";
import type { InputName } from "../../src/inputs/input-table.ts";
import { parseInputs } from "../../src/inputs/inputs.ts";
import { type LocalHub, type SeenRequest, startLocalHub } from "../../src/local-hub/local-hub.ts";
import { publishModel } from "../../src/pipeline.ts";
import { parseReceipt } from "../../src/receipt/receipt-file.ts";
import { stagingBranch } from "../../src/series/staged-records.ts";
import { readModel } from "../../src/series-file/read-model.ts";
import { parseSeriesFile } from "../../src/series-file/series-file.ts";
import type { UpkeepRequest } from "../../src/upkeep/upkeep-types.ts";
import { isHubWrite } from "./hub-writes.ts";
import { addFile, commit } from "./local-hub.ts";
import { removeFolder, scratchFolder, smallest } from "./models.ts";

const token = "hf_tokenOfThisTestOnly";

/** What starts a run: the name of the event, and its file. */
export interface EventFile {
  readonly name: string;
  readonly payload?: object;
  readonly variables?: Readonly<Record<string, string>>;
}

export const schedule: EventFile = { name: "schedule", payload: { schedule: "17 3 * * 1" } };

type Given = Partial<Record<InputName, string>>;

/** A Hub with two bases, and a repository on GitHub that has a series file, checked out. */
export class UpkeepScene {
  folder = "";
  lines: string[] = [];
  seen: SeenRequest[] = [];
  /** Gated repositories, and who may read their files. A test may change it. */
  readonly gated: Record<string, string[]> = {};
  #hub: LocalHub | undefined;

  get hub(): LocalHub {
    if (this.#hub === undefined) throw new Error("the Hub starts in beforeAll");
    return this.#hub;
  }

  /** What the workflow checked out. */
  get workspace(): string {
    return join(this.folder, "workspace");
  }

  async open(): Promise<void> {
    this.folder = await scratchFolder();
    this.#hub = await startLocalHub({
      folder: join(this.folder, "hub"),
      gated: this.gated,
      onRequest: (request) => this.seen.push(request),
      users: {
        [token]: { name: "robot", organizations: ["acme"], role: "write" },
        hf_reader: { name: "reader", organizations: ["acme"], role: "read" },
        hf_base: { name: "base", role: "write" },
      },
    });
    await this.hub.seed("base/tiny", smallest.llama!);
    await this.hub.seed("base/other", smallest.qwen2!);
  }

  async close(): Promise<void> {
    await this.#hub?.close();
    await removeFolder(this.folder);
  }

  /** Requests that changed something on the Hub. */
  writes(): readonly string[] {
    return this.seen.filter(isHubWrite).map(({ method, url }) => `${method} ${url}`);
  }

  /** A command's request: the series file of this text, an event, and inputs of the step. */
  async request(
    text: string,
    event: EventFile,
    given: Given = {},
    environment: Readonly<Record<string, string>> = {},
  ): Promise<UpkeepRequest> {
    const place = await mkdtemp(join(this.folder, "run-"));
    await mkdir(this.workspace, { recursive: true });
    await writeFile(join(place, "event.json"), JSON.stringify(event.payload ?? {}));
    const variables = {
      ...{ GITHUB_EVENT_NAME: event.name, GITHUB_EVENT_PATH: join(place, "event.json") },
      ...{ GITHUB_WORKSPACE: this.workspace, GITHUB_REPOSITORY: "acme/series" },
      ...{ RUNNER_TEMP: place, HF_ENDPOINT: this.hub.url },
      ...event.variables,
      ...environment,
    };
    const read = (name: InputName) => given[name] ?? "";
    const asked = parseActionInputs(read, variables);
    this.lines = [];
    this.seen = [];
    const log = (line: string) => void this.lines.push(line);
    const report: Report = { ...silentReport, info: log, warn: log };
    return {
      ...openDependencies(asked, report, ""),
      asked,
      file: parseSeriesFile(text, "series.yml"),
      inputsOf: (model) => parseInputs(readModel(model, read), variables),
      environment: variables,
    };
  }

  /** Publishes every model of a series file, as the workflow would. */
  async publish(text: string, given: Given = {}): Promise<void> {
    const request = await this.request(text, schedule, { "hub-token": token, ...given });
    for (const model of request.file.models) {
      const inputs = request.inputsOf(model);
      const { failure } = await publishModel(inputs, request);
      expect(failure).toBeNull();
      await rm(inputs.workDir, { recursive: true, force: true });
    }
  }

  async read(repository: string, path: string): Promise<string> {
    return (await fetch(`${this.hub.url}/${repository}/resolve/main/${path}`)).text();
  }

  /** Puts files onto main of a repository, with SHA256SUMS if it is a tier. */
  async put(repository: string, files: Readonly<Record<string, string>>): Promise<void> {
    const known = parseSums(await this.read(repository, "SHA256SUMS"));
    const sums = new Map(known);
    for (const [path, text] of Object.entries(files)) sums.set(path, sha256Of(text));
    const all = known === null ? files : { ...files, SHA256SUMS: writeSums(sums) };
    const lines = Object.entries(all).map(([path, text]) => addFile(path, text));
    const done = await commit(this.hub, repository, lines, {
      token: known === null ? "hf_base" : token,
    });
    expect(done.status).toBe(200);
  }

  /** Puts files onto the staging branch of a tier. */
  async stage(repository: string, files: Readonly<Record<string, string>>): Promise<void> {
    const hub = connectHub({ endpoint: this.hub.url, token, report: silentReport });
    const branch = await hub.readBranch(repository, stagingBranch);
    await hub.stage({
      ...{ repository, branch: stagingBranch, private: false, title: "Stage", deleted: [] },
      files: Object.entries(files).map(([path, text]) => {
        return { path, content: new TextEncoder().encode(text) };
      }),
      parent: branch?.commit ?? null,
    });
  }

  /** The card pull request is merged: the repository has the cards of these tiers. */
  async mergeCards(series: string, repositories: readonly string[]): Promise<void> {
    for (const repository of repositories) {
      const text = await this.read(repository, "oqe-receipt.json");
      const receipt = parseReceipt(text, repository);
      const path = join(this.workspace, "cards", series, `${receipt.plan.tier}.md`);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, await renderCard(receipt, { place: inRepository(receipt) }));
    }
  }
}

/** Opens a scene before the tests of a file and closes it after them. */
export function upkeepScene(): UpkeepScene {
  const scene = new UpkeepScene();
  beforeAll(() => scene.open());
  afterAll(() => scene.close());
  return scene;
}
