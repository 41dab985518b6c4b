import { parseArgs } from "node:util";
import { parseSize } from "../src/ground/digits.ts";
import { total } from "../src/ground/sum.ts";
import { nemotron30b } from "../test/support/nemotron-30b.ts";
import { nameOf, secondsOf } from "./scale/job-kind.ts";
import { busyOf } from "./scale/lines.ts";
import { base, type Scene, withScene } from "./scale/run.ts";
import { blocksOf, describeSeries } from "./scale/series.ts";
import type { StageOrder, StageResult } from "./scale/stage.ts";

/**
 * What a series of NVIDIA-Nemotron-3-Nano-30B-A3B costs, from blocks of its true width: one Mamba,
 * one MoE, one attention block (to measure, two of each), embeddings and head. A local Hub in this
 * process serves the base. Each stage runs in a process of its own, with two workers. It prints
 * peak memory, reads of the base, CPU time by routine, the sum for all 52 blocks and 32,768
 * calibration tokens, and the hours of a job on three cores. With one of the four tiers, it prints
 * those of its own job beside one that works ahead too; with all four, those of the job ahead.
 *   node bench/scale.ts [--stages sensitivity,quantize,verify] [--samples 16] [--experts 128]
 *     [--vocabulary 131072] [--tiers oQ4e] [--limit 3GB] [--computed 2] [--only-memory]
 *     [--rate 100MB] [--rounded]
 * Of jobs that tune or forecast, only `--computed` of each kind run (0: all). What the others would
 * take is counted. Of an expert's products on rows, the part that does not grow with the rows is
 * found by a line through all jobs, so that it is not multiplied. Plain rounding is evaluated at
 * the smallest tier alone, as for a base of more than 4 B parameters. The tiers of such a run have
 * no meaning. With `--only-memory`, products are left out too, so that the peak memory of all rows
 * is found in minutes; times have no meaning then. With `--rate`, the Hub serves so many bytes of
 * weights in a second. `verify` evaluates the last of the tiers, which the Hub serves too. With
 * `--rounded`, `quantize` only rounds, which is enough for `verify`.
 */
const { values: options } = parseArgs({
  options: {
    stages: { type: "string", default: "sensitivity,quantize,verify" },
    samples: { type: "string", default: "16" },
    evaluation: { type: "string", default: "4" },
    experts: { type: "string", default: "128" },
    vocabulary: { type: "string", default: "131072" },
    tiers: { type: "string", default: "oQ8e,oQ6e,oQ5e,oQ4e" },
    limit: { type: "string", default: "3GB" },
    computed: { type: "string", default: "2" },
    rate: { type: "string" },
    "only-memory": { type: "boolean", default: false },
    rounded: { type: "boolean", default: false },
  },
});
const tiers = options.tiers.split(",");
const stages = options.stages.split(",") as StageOrder["stage"][];
const blocks = blocksOf(stages, options["only-memory"]);

function orderOf(stage: StageOrder["stage"], folder: string): Omit<StageOrder, "result"> {
  const sensitivity = `${folder}/sensitivity.json`;
  const targets = {
    sensitivity,
    quantize: `${folder}/hub/bench`,
    publish: "",
    verify: `bench/blocks-${tiers.at(-1)}`,
  };
  const plan: Record<string, string> = stages.includes("sensitivity")
    ? { sensitivity }
    : { policy: "oq" };
  return {
    stage,
    inputs: {
      ...{ "base-model": base, namespace: "bench", tiers: options.tiers, workers: "2" },
      "calibration-samples": options.samples,
      "evaluation-samples": options.evaluation,
      "evaluation-length": "256",
      "memory-limit": options.limit,
      "work-dir": `${folder}/work`,
      ...(stage === "quantize" && plan),
      // Made for `verify` alone.
      ...(stage === "quantize" && options.rounded && { method: "rounded", verify: "false" }),
    },
    target: targets[stage],
    computed: Number(options.computed),
    onlyMemory: options["only-memory"],
  };
}

async function bench({ folder, bytes, run }: Scene): Promise<void> {
  console.log(`base: ${(bytes / 1e9).toFixed(2)} GB`);
  const results: Record<string, StageResult> = {};
  for (const stage of stages) {
    const result = await run(orderOf(stage, folder));
    results[stage] = result;
    console.log(describeStage(stage, result));
  }
  if (options.rounded) return; // nothing of it is a part of the series
  const [calibration, evaluation] = [
    256 * Number(options.samples),
    256 * Number(options.evaluation),
  ];
  const rows = { calibration, evaluation, tiers };
  console.log(describeSeries({ blocks, results, run: rows }));
}

const percent = (share: number) => `${(100 * share).toFixed(0)} %`;

/** Peak, reads, busy share, and the kinds of jobs that took most. */
function describeStage(
  stage: string,
  result: StageResult & { readonly reads: number; readonly sent: number },
): string {
  const { kinds, peak, seconds, cpu, mainCpu, reads, sent } = result;
  const computed = total(kinds.map((kind) => kind.cpu / 1e3));
  const counted = total(kinds.map(secondsOf));
  const wall = total(kinds.map((kind) => kind.wall / 1e3));
  const busy = (100 * wall) / (2 * seconds);
  const most = kinds.toSorted((a, b) => secondsOf(b) - secondsOf(a)).slice(0, 16);
  return [
    `\n${stage}: peak ${(peak / 1e9).toFixed(2)} GB, ${reads.toFixed(3)} reads of the base` +
      (sent > 0 ? `, ${(sent / 1e9).toFixed(3)} GB of the tier` : ""),
    `  ${seconds.toFixed(0)} s of wall time; CPU s: ${cpu.toFixed(0)}, of which kernel ` +
      `${computed.toFixed(0)} (${counted.toFixed(0)} with jobs not computed), main thread ` +
      `${mainCpu.toFixed(0)}`,
    `  kernel busy: ${busy.toFixed(0)} % of the wall, with jobs not computed ` +
      `${percent(busyOf(result).kernel)}; cores ${percent(busyOf(result).cores)}`,
    ...most.map((kind) => {
      const { place, routine, sizes, asked, computed, cpu } = kind;
      const each = (cpu / computed).toFixed(1);
      return (
        `  ${nameOf(place)} ${routine} ${sizes}: ${secondsOf(kind).toFixed(1)} CPU s, ` +
        `${asked} jobs of ${each} ms`
      );
    }),
  ].join("\n");
}

await withScene(
  {
    ...nemotron30b,
    hybrid_override_pattern: blocks,
    num_hidden_layers: blocks.length,
    n_routed_experts: Number(options.experts),
    vocab_size: Number(options.vocabulary),
  },
  bench,
  options.rate === undefined ? Infinity : parseSize(options.rate)!,
);
