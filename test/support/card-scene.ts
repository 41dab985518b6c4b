import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { pictureFiles } from "../../src/card/picture-files.ts";
import { drawPictures } from "../../src/card/pictures.ts";
import { renderCard } from "../../src/card/render.ts";
import { silentReport } from "../../src/ground/report.ts";
import { connectHub } from "../../src/hub/client.ts";
import { sha256Of, writeSums } from "../../src/hub/sums.ts";
import { parseInputs } from "../../src/inputs/inputs.ts";
import { type LocalHub, type SeenRequest, startLocalHub } from "../../src/local-hub/local-hub.ts";
import type { Receipt } from "../../src/receipt/receipt.ts";
import { parseReceipt, writeReceipt } from "../../src/receipt/receipt-file.ts";
import { readModel } from "../../src/series-file/read-model.ts";
import { parseSeriesFile } from "../../src/series-file/series-file.ts";
import type { UpkeepRequest } from "../../src/upkeep/upkeep-types.ts";
import { addFile, type CommitLine, commit, createRepo } from "./local-hub.ts";

export const hubToken = "hf_tokenOfThisTestOnly";

const series = `
models:
  - base-model: nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16
    name: nano
    namespace: acme
    tiers: [oQ8e, oQ4e]
`;

/** Published tiers without weights, and a workspace that a job checked out. */
export class CardScene {
  folder = "";
  /** What the job warns of. */
  warnings: string[] = [];
  seen: SeenRequest[] = [];
  #hub: LocalHub | undefined;

  get hub(): LocalHub {
    if (this.#hub === undefined) throw new Error("the Hub starts in beforeAll");
    return this.#hub;
  }

  get workspace(): string {
    return join(this.folder, "workspace");
  }

  /** Where a command leaves its results. */
  get workDir(): string {
    return join(this.folder, "work");
  }

  async open(): Promise<void> {
    this.folder = await mkdtemp(join(tmpdir(), "cards-"));
    this.#hub = await startLocalHub({
      folder: join(this.folder, "hub"),
      onRequest: (one) => this.seen.push(one),
    });
  }

  async close(): Promise<void> {
    await this.#hub?.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Requests that change something on the Hub. */
  get writes(): readonly string[] {
    return this.seen
      .filter(({ method, url }) => !["GET", "HEAD"].includes(method) && !/validate-yaml/.test(url))
      .map(({ method, url }) => `${method} ${url}`);
  }

  forget(): void {
    this.seen = [];
    this.warnings = [];
  }

  /** Publishes card, pictures, receipt and a config as a run does. */
  async publish(made: Receipt, card?: string): Promise<void> {
    const receipt = parseReceipt(writeReceipt(made), "x"); // its keys are in order
    const { repository } = receipt;
    const drawn = await pictureFiles(drawPictures(receipt));
    const files: Record<string, string | Uint8Array> = {
      "config.json": "{}",
      "oqe-receipt.json": writeReceipt(receipt),
      "README.md": card ?? (await renderCard(receipt)),
      ...Object.fromEntries(drawn.files),
    };
    const sums = Object.entries(files).map(([path, text]) => [path, sha256Of(text)] as const);
    files.SHA256SUMS = writeSums(new Map(sums));
    await createRepo(this.hub, repository, hubToken);
    await this.change(
      repository,
      ...Object.entries(files).map(([path, text]) => addFile(path, text)),
    );
  }

  /** Somebody commits to main. */
  async change(repository: string, ...lines: CommitLine[]): Promise<void> {
    const answer = await commit(this.hub, repository, lines, { token: hubToken });
    expect(answer.status).toBe(200);
  }

  /** Text of a file on main. */
  async text(repository: string, path: string): Promise<string> {
    return (await fetch(`${this.hub.url}/${repository}/resolve/main/${path}`)).text();
  }

  /** SHA-256 of every file on main, by path. */
  main(repository: string): Record<string, string> {
    return Object.fromEntries(
      [...this.hub.files(repository)].map(([path, { sha256 }]) => [path, sha256]),
    );
  }

  /** Writes a file of the workspace. */
  async write(path: string, text: string | Uint8Array): Promise<void> {
    const file = join(this.workspace, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }

  /** What the entry gives to a command. */
  request(
    changes: Partial<UpkeepRequest["asked"]> = {},
    environment: Readonly<Record<string, string>> = {},
    text = series,
  ): UpkeepRequest {
    const report = { ...silentReport, warn: (line: string) => void this.warnings.push(line) };
    const asked = {
      ...{ command: "cards", series: null, models: null, dryRun: false, hubToken },
      ...{ githubToken: null, workDir: this.workDir, ...changes },
    };
    return {
      report,
      asked: asked as UpkeepRequest["asked"],
      file: parseSeriesFile(text, "series.yml"),
      inputsOf: (model) =>
        parseInputs(
          readModel(model, () => ""),
          {},
        ),
      connect: () => connectHub({ endpoint: this.hub.url, token: hubToken, report: silentReport }),
      openKernel: () => Promise.reject(new Error("no model code runs")),
      occasion: "push of acme/series at 0123456789ab",
      environment: { GITHUB_WORKSPACE: this.workspace, ...environment },
    };
  }
}

/** Opens a scene before the tests of a file and closes it after them. */
export function cardScene(): CardScene {
  const scene = new CardScene();
  beforeAll(() => scene.open());
  afterAll(() => scene.close());
  return scene;
}
