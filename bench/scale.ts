import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { ModelConfig } from "../src/checkpoint/model-config.ts";
import { type SeenRequest, startLocalHub } from "../src/local-hub/local-hub.ts";
import { readsOf } from "../test/support/base-reads.ts";
import { nemotron30b } from "../test/support/nemotron-30b.ts";
import { makeScaled } from "./scale/checkpoint.ts";
import { describeSeries } from "./scale/series.ts";
import type { StageOrder, StageResult } from "./scale/stage.ts";

/**
 * What a series of NVIDIA-Nemotron-3-Nano-30B-A3B costs, from blocks of its true width: one Mamba,
 * one MoE, one attention block, embeddings and head. A local Hub in this process serves the base.
 * Each stage runs in a process of its own, with two workers. It prints peak memory, reads of the
 * base, CPU time by routine, and the sum for all 52 blocks and 32,768 calibration tokens.
 *   node bench/scale.ts [--stages sensitivity,quantize,verify] [--samples 16] [--experts 128]
 *     [--vocabulary 131072] [--tiers oQ4e] [--computed 2] [--keep <folder>]
 * Of jobs that tune or forecast, only `--computed` of each kind run (0: all). What the others would
 * take is counted. The tiers of such a run have no meaning.
 */
const { values: options } = parseArgs({
  options: {
    stages: { type: "string", default: "sensitivity,quantize,verify" },
    samples: { type: "string", default: "16" },
    evaluation: { type: "string", default: "4" },
    experts: { type: "string", default: "128" },
    vocabulary: { type: "string", default: "131072" },
    tiers: { type: "string", default: "oQ8e,oQ6e,oQ5e,oQ4e" },
    computed: { type: "string", default: "2" },
    keep: { type: "string" },
  },
});

export const trueWidth: ModelConfig = {
  ...nemotron30b,
  hybrid_override_pattern: "ME*",
  num_hidden_layers: 3,
  n_routed_experts: Number(options.experts),
  vocab_size: Number(options.vocabulary),
};

/** Runs one stage in its own process. */
export async function runStage(order: StageOrder, environment: Record<string, string>) {
  const script = (name: string) => fileURLToPath(new URL(`scale/${name}`, import.meta.url));
  const child = spawn(
    process.execPath,
    ["--no-warnings", "--import", script("watch.mjs"), script("stage.ts"), JSON.stringify(order)],
    {
      env: { PATH: process.env.PATH ?? "", ...environment },
      stdio: ["ignore", "ignore", "inherit"],
    },
  );
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`stage ${order.stage} ended with exit code ${code}`);
  return JSON.parse(await readFile(order.result, "utf8")) as StageResult;
}

async function bench(): Promise<void> {
  const folder = options.keep ?? (await mkdtemp(join(tmpdir(), "oqe-scale-")));
  const seen: SeenRequest[] = [];
  try {
    await mkdir(`${folder}/hub/base`, { recursive: true });
    const bytes = await makeScaled(`${folder}/hub/base/blocks`, trueWidth);
    const hub = await startLocalHub({
      folder: `${folder}/hub`,
      onRequest: (one) => seen.push(one),
    });
    const environment = { HF_ENDPOINT: hub.url, HF_TOKEN: "hf_bench" };
    const inputs = {
      "base-model": "base/blocks",
      namespace: "bench",
      tiers: options.tiers,
      "calibration-samples": options.samples,
      "evaluation-samples": options.evaluation,
      "work-dir": `${folder}/work`,
      workers: "2",
    };
    console.log(`base: ${(bytes / 1e9).toFixed(2)} GB`);
    const results: Record<string, StageResult> = {};
    const stages = options.stages.split(",") as StageOrder["stage"][];
    for (const stage of stages) {
      seen.length = 0;
      const target = { sensitivity: `${folder}/sensitivity.json`, quantize: `${folder}/tiers` };
      const sensitivity = stages.includes("sensitivity") && stage === "quantize";
      results[stage] = await runStage(
        {
          stage,
          inputs: {
            ...inputs,
            ...(stage === "quantize" &&
              (sensitivity ? { sensitivity: target.sensitivity } : { policy: "oq" })),
          },
          target:
            stage === "verify"
              ? `${folder}/tiers/blocks-${options.tiers.split(",").at(-1)}`
              : target[stage as keyof typeof target],
          computed: Number(options.computed),
          result: `${folder}/result.json`,
        },
        environment,
      );
      const reads = readsOf(seen, "base/blocks", bytes);
      console.log(describeStage(stage, results[stage]!, reads));
    }
    const tiers = options.tiers.split(",").length;
    const rows = { calibration: 256 * Number(options.samples), tiers };
    const evaluation = 256 * Number(options.evaluation);
    console.log(describeSeries(results, { ...rows, evaluation }));
    await hub.close();
  } finally {
    if (options.keep === undefined) await rm(folder, { recursive: true, force: true });
  }
}

/** Peak, reads, busy share, and the routines that took most. */
function describeStage(stage: string, result: StageResult, reads: number): string {
  const { kinds, peak, seconds, cpu, mainCpu } = result;
  const computed = sum(kinds.map((kind) => kind.cpu)) / 1e3;
  const counted =
    sum(kinds.map((kind) => (kind.cpu / Math.max(1, kind.computed)) * kind.asked)) / 1e3;
  const wall = sum(kinds.map((kind) => kind.wall)) / 1e3;
  const skipped = counted - computed;
  const byRoutine = new Map<string, number>();
  for (const { block, routine, cpu, computed, asked } of kinds) {
    const name = `${block} ${routine}`;
    byRoutine.set(name, (byRoutine.get(name) ?? 0) + (cpu / Math.max(1, computed) / 1e3) * asked);
  }
  const most = [...byRoutine].sort(([, a], [, b]) => b - a).slice(0, 12);
  return [
    `\n${stage}: peak ${(peak / 1e9).toFixed(2)} GB, ${reads.toFixed(3)} reads of the base`,
    `${seconds.toFixed(0)} s of wall time, ${cpu.toFixed(0)} s of CPU time, of which main thread ` +
      `${mainCpu.toFixed(0)}, kernel ${computed.toFixed(0)} (with jobs not computed ${counted.toFixed(0)})`,
    `kernel busy: ${((100 * wall) / (2 * seconds)).toFixed(0)} % of the wall, with jobs not computed ` +
      `${((100 * (wall + skipped)) / (2 * seconds + skipped)).toFixed(0)} %`,
    ...most.map(([name, seconds]) => `  ${name}: ${seconds.toFixed(1)} CPU s`),
  ].join("\n");
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

if (import.meta.main) await bench();
