import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ModelConfig } from "../../src/checkpoint/model-config.ts";
import { allocatorSettings, heapFlags } from "../../src/ground/memory.ts";
import { type SeenRequest, startLocalHub } from "../../src/local-hub/local-hub.ts";
import { readsOf } from "../../test/support/base-reads.ts";
import { makeScaled } from "./checkpoint.ts";
import type { StageOrder, StageResult } from "./stage.ts";

/** The base of a bench on its Hub. */
export const base = "base/blocks";

/** What a stage read: the base, in its whole; bytes of the weights of its target on the Hub. */
interface Reads {
  readonly reads: number;
  readonly sent: number;
}

/** A Hub in this process that serves a made base. Stages run in processes of their own. */
export interface Scene {
  /** A folder for what the stages write. */
  readonly folder: string;
  readonly bytes: number;
  run(order: Omit<StageOrder, "result">): Promise<StageResult & Reads>;
}

/**
 * Makes a base, serves it while `use` runs, and deletes all. Serves at most `rate` bytes of weights
 * a second, all requests together.
 */
export async function withScene(
  config: ModelConfig,
  use: (scene: Scene) => Promise<void>,
  rate = Infinity,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "oqe-scale-"));
  const seen: SeenRequest[] = [];
  const pace = openPace();
  try {
    await mkdir(`${folder}/hub/base`, { recursive: true });
    const bytes = await makeScaled(`${folder}/hub/${base}`, config);
    const onRequest = (one: SeenRequest) => {
      seen.push(one);
      pace(one.bytes / rate);
    };
    await use({
      ...{ folder, bytes },
      async run(order) {
        seen.length = 0;
        // A Hub takes over what an earlier stage left in its folder.
        const hub = await startLocalHub({ folder: `${folder}/hub`, onRequest });
        const environment = { HF_ENDPOINT: hub.url, HF_TOKEN: "hf_bench" };
        const result = await runStage({ ...order, result: `${folder}/result.json` }, environment);
        await hub.close();
        return {
          ...result,
          reads: readsOf(seen, base, bytes),
          sent: readsOf(seen, order.target, 1),
        };
      },
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Gives a function that waits before an answer is sent, until `seconds` have passed since the
 * previous answer's turn ended. The wait holds this process: it only serves.
 */
function openPace(): (seconds: number) => void {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  let free = 0;
  return (seconds) => {
    const now = performance.now();
    free = Math.max(now, free) + 1e3 * seconds;
    if (free > now) Atomics.wait(cell, 0, 0, free - now);
  };
}

async function runStage(
  order: StageOrder,
  environment: Record<string, string>,
): Promise<StageResult> {
  const script = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const child = spawn(
    process.execPath,
    [
      ...[...heapFlags, "--no-warnings", "--import", script("watch.mjs")],
      ...[script("stage.ts"), JSON.stringify(order)],
    ],
    {
      env: { PATH: process.env.PATH ?? "", ...allocatorSettings, ...environment },
      stdio: ["ignore", "ignore", "inherit"],
    },
  );
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`stage ${order.stage} ended with exit code ${code}`);
  return JSON.parse(await readFile(order.result, "utf8")) as StageResult;
}
