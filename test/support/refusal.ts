import { readdir, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import {
  type LocalHub,
  type LocalHubOptions,
  type SeenRequest,
  startLocalHub,
} from "../../src/local-hub/local-hub.ts";
import { runCli } from "./cli-run.ts";
import { copyModel, removeFolder, scratchFolder } from "./models.ts";

/** Input that a run must refuse. */
export interface Refusal {
  readonly what: string;
  /** Makes the base. Returns `<model>` as the command takes it. */
  readonly base: () => Promise<string>;
  readonly args?: readonly string[];
  readonly token?: string;
  readonly code: string;
  /** What the message must say: what is wrong, and where. */
  readonly says: RegExp;
  /** What the line after it must say: what to do next. */
  readonly next?: RegExp;
  /** Whether the run must keep the parts that it finished for the next run. Default: it may. */
  readonly keepsParts?: boolean;
}

/** Makes a copy of a base and damages it. */
export const spoiled = (from: string, spoil: (folder: string) => Promise<unknown>) => async () => {
  const copy = await copyModel(from);
  await spoil(copy);
  return copy;
};

/** The exit code that docs/errors.md promises for an error code. */
export function exitCodeOf(code: string): number {
  if (code === "BAD_INPUT") return 2;
  return code === "GATE" ? 3 : 1;
}

/** Tuning on few rows. The plan follows rules, so the run does not measure sensitivity. */
export const fewTuned = [
  ...["--calibration-samples", "2", "--calibration-length", "32", "--tiers", "oQ4e"],
  ...["--evaluation-samples", "1", "--policy", "oq"],
];

/** A Hub and a folder for the tests of one file. */
export class RefusalScene {
  readonly #seen: SeenRequest[] = [];
  #folder = "";
  #hub: LocalHub | undefined;

  get folder(): string {
    return this.#folder;
  }

  get hub(): LocalHub {
    if (this.#hub === undefined) throw new Error("the Hub starts in beforeAll");
    return this.#hub;
  }

  async open(options: Partial<LocalHubOptions>): Promise<void> {
    this.#folder = await scratchFolder();
    this.#hub = await startLocalHub({
      folder: `${this.#folder}/hub`,
      onRequest: (request) => this.#seen.push(request),
      ...options,
    });
  }

  async close(): Promise<void> {
    await this.#hub?.close();
    await removeFolder(this.#folder);
  }

  /**
   * Publishes as `acme`, unless the arguments name another namespace. The run must end with one
   * message, its error code and its exit code. It must leave nothing on disk or on the Hub but
   * finished parts: in the work folder, and on a branch beside main.
   */
  async expectRefused(refusal: Omit<Refusal, "what">): Promise<void> {
    const { base, args = [], token = "hf_good", code, says, next, keepsParts = false } = refusal;
    const model = await base();
    const work = `${this.#folder}/work`;
    await rm(work, { recursive: true, force: true });
    this.#seen.length = 0;
    const namespace = args.includes("--namespace") ? [] : ["--namespace", "acme"];
    // Policy oq needs no measurement, and these inputs are refused before any or by tuning.
    const policy = args.includes("--policy") ? [] : ["--policy", "oq"];
    const result = await runCli(
      ["publish", model, ...namespace, "--work-dir", work, ...policy, ...args],
      { HF_ENDPOINT: this.hub.url, ...(token === "" ? {} : { HF_TOKEN: token }) },
    );
    expect(result.code).toBe(exitCodeOf(code));
    const errors = result.stderr.split("\n").filter((line) => line.startsWith("error: "));
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain(`[${code}]`);
    expect(errors[0]).toMatch(says);
    if (next !== undefined) expect(result.stderr).toMatch(next);
    expect(result.stderr).not.toMatch(/^\s+at .*:\d+:\d+/m);
    if (token !== "") expect(result.stderr).not.toContain(token);
    // A walk may have staged finished parts on a branch beside main.
    const writes = /^Quantize /m.test(result.stderr)
      ? /\/commit\/main/
      : /\/api\/repos\/create|\/commit\/|\/preupload\/|info\/lfs/;
    expect(this.#seen.filter(({ url }) => writes.test(url))).toEqual([]);
    const found = await readdir(work).catch(() => null);
    expect(found, "the work folder is not left behind empty").not.toEqual([]);
    const left = found ?? [];
    expect(left.filter((name) => !/^\.[\w-]+\.[0-9a-f]+\.partial$/.test(name))).toEqual([]);
    if (keepsParts) expect(left).not.toEqual([]);
    if (model.endsWith("/spoiled")) await removeFolder(dirname(model));
  }
}

/** Opens a scene before the tests of a file and closes it after them. */
export function refusalScene(
  prepare: (scene: RefusalScene) => Promise<void> = async () => {},
  options: Partial<LocalHubOptions> = {},
): RefusalScene {
  const scene = new RefusalScene();
  beforeAll(async () => {
    await scene.open(options);
    await prepare(scene);
  });
  afterAll(() => scene.close());
  return scene;
}
