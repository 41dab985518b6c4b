import { readFile, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect } from "vitest";
import { type LocalHub, type SeenRequest, startLocalHub } from "../../src/local-hub/local-hub.ts";
import { type CliResult, runCli } from "./cli-run.ts";
import { embedded, removeFolder, scratchFolder } from "./models.ts";
import { exitCodeOf } from "./refusal.ts";

export const tierName = "nemotron-nano-tiny-oQ4e";

/** The parts of a receipt that tests read or change. */
export interface TierReceipt {
  evaluation: Record<string, unknown>;
  base: { revision: string };
  plan: { modules: Record<string, unknown> };
  files: Record<string, unknown>;
}

/** Text that no test model has seen: sentences of random words. */
export function story(seed: number): string {
  const words =
    "stone river lamp winter garden letter engine silver window mountain paper the a of under beside".split(
      " ",
    );
  let state = seed;
  const word = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return words[state % words.length];
  };
  return Array.from({ length: 400 }, () => `${Array.from({ length: 12 }, word).join(" ")}.`).join(
    "\n\n",
  );
}

/** A Hub with a base, and a folder with texts, for the tests of one file. */
export class VerifyScene {
  folder = "";
  seen: SeenRequest[] = [];
  #hub: LocalHub | undefined;

  get hub(): LocalHub {
    if (this.#hub === undefined) throw new Error("the Hub starts in beforeAll");
    return this.#hub;
  }

  async open(model: string): Promise<void> {
    this.folder = await scratchFolder();
    this.#hub = await startLocalHub({
      folder: `${this.folder}/hub`,
      onRequest: (request) => this.seen.push(request),
    });
    await this.hub.seed("base/nemotron-nano-tiny", model);
    await writeFile(`${this.folder}/calibration.txt`, story(1));
    await writeFile(`${this.folder}/evaluation.txt`, story(2));
  }

  async close(): Promise<void> {
    await this.#hub?.close();
    await removeFolder(this.folder);
  }

  /** Runs the CLI against the Hub of this scene. */
  readonly oqe = (...args: string[]): Promise<CliResult> =>
    runCli(args, { HF_ENDPOINT: this.hub.url, HF_TOKEN: "hf_tokenOfTheTest" });

  /** The folder of the tier that `publishTier` makes. */
  get tier(): string {
    return `${this.folder}/work/${tierName}`;
  }

  /** Publishes one tuned tier as `acme`, with `more` flags. Returns its receipt. */
  async publishTier(...more: string[]): Promise<TierReceipt> {
    const made = await this.oqe(
      ...["publish", "base/nemotron-nano-tiny", "--namespace", "acme", "--tiers", "oQ4e"],
      ...["--work-dir", `${this.folder}/work`, "--evaluation-samples", "4"],
      ...["--calibration-samples", "4", "--calibration-length", "64", ...more],
    );
    if (made.code !== 0) throw new Error(made.stderr);
    return JSON.parse(await readFile(`${this.tier}/oqe-receipt.json`, "utf8"));
  }

  /** Verifies. The command must end with one message, its error code and its exit code. */
  async expectRefused(args: readonly string[], code: string, says: RegExp): Promise<void> {
    const result = await this.oqe("verify", ...args);
    expect(result).toMatchObject({ code: exitCodeOf(code), stdout: "" });
    const errors = result.stderr.split("\n").filter((line) => line.startsWith("error: "));
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain(`[${code}]`);
    expect(errors[0]).toMatch(says);
    expect(result.stderr).not.toMatch(/^\s+at .*:\d+:\d+/m);
  }
}

/**
 * Opens a scene before the tests of a file and closes it after them. Its base is `model`, as
 * base/nemotron-nano-tiny.
 */
export function verifyScene(model = embedded): VerifyScene {
  const scene = new VerifyScene();
  beforeAll(() => scene.open(model));
  afterAll(() => scene.close());
  return scene;
}
