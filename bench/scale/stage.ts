import { writeFileSync } from "node:fs";
import { openDependencies } from "../../src/entry/dependencies.ts";
import { type Report, terminalReport } from "../../src/ground/report.ts";
import { parseModel } from "../../src/inputs/input-values.ts";
import { parseInputs } from "../../src/inputs/inputs.ts";
import { openKernel } from "../../src/kernel/pool.ts";
import type { BlockContext, Forward } from "../../src/models/forward.ts";
import type { LayerKind } from "../../src/models/layer-kind.ts";
import { nemotronH } from "../../src/models/nemotron-h.ts";
import { nemotronHForward } from "../../src/models/nemotron-h-forward.ts";
import {
  type Dependencies,
  measureModel,
  publishModel,
  quantizeModel,
} from "../../src/pipeline.ts";
import { writeSensitivity } from "../../src/sensitivity/sensitivity-file.ts";
import { verify } from "../../src/series/verify.ts";
import { type JobKind, outside } from "./job-kind.ts";
import { WatchedKernel } from "./kernel.ts";

/**
 * One stage of a run, in a process of its own: `node --import watch.mjs stage.ts <order as JSON>`.
 */
export interface StageOrder {
  readonly stage: "sensitivity" | "quantize" | "publish" | "verify";
  readonly inputs: Readonly<Record<string, string>>;
  /** Folder of the tiers, file of the sensitivity, or repository to verify. */
  readonly target: string;
  /** Jobs of a kind that are computed (WatchedKernel). 0: all. */
  readonly computed: number;
  /** Whether products are left out too: only the memory is measured. */
  readonly onlyMemory?: boolean;
  /** File of the result. */
  readonly result: string;
}

export interface StageResult {
  readonly kinds: readonly JobKind[];
  /** Rows that went through blocks of a kind, all riders together. */
  readonly passed: Readonly<Record<string, number>>;
  /** Bytes. */
  readonly peak: number;
  /** Resident bytes, ten times a second. */
  readonly samples: readonly number[];
  /** Stages of the pipeline: the samples `[from, to)` were taken in each. */
  readonly steps: readonly { readonly name: string; readonly from: number; readonly to: number }[];
  readonly seconds: number;
  /** CPU seconds of the process, and of its main thread. */
  readonly cpu: number;
  readonly mainCpu: number;
}

const order = JSON.parse(process.argv[2]!) as StageOrder;
const kernels: WatchedKernel[] = [];
const passed: Record<string, number> = {};
const samples: number[] = [];
const steps: { name: string; from: number; to: number }[] = [];

/** The part that a block of Nemotron-H has. */
const nameOf = ({ mixer, mlp }: LayerKind) => mixer ?? mlp ?? "none";

/**
 * Whether measuring tunes a block's matrices at all widths: the middle one of its kind. Whether
 * tuning has no router behind the block's: the last stack of experts.
 */
function isSingle({ config, layer, kind }: BlockContext): boolean {
  const kinds = nemotronH.layers(config);
  const own = [...kinds.keys()].filter((i) => nameOf(kinds[i]!) === nameOf(kind));
  if (order.stage === "sensitivity") return own[Math.floor(own.length / 2)] === layer;
  return kind.mlp === "moe" && own.at(-1) === layer;
}

/** Tells the kernel and the counts which block the riders are in. */
function watchForward(forward: Forward): void {
  const { block, finish } = forward;
  const watched: Partial<Forward> = {
    block: (at: BlockContext, x) => {
      const name = nameOf(at.kind);
      const place = { block: name, single: isSingle(at) };
      for (const kernel of kernels) kernel.place = place;
      passed[name] = (passed[name] ?? 0) + x.rows;
      return block(at, x);
    },
    finish: (at, x) => {
      for (const kernel of kernels) kernel.place = outside;
      return finish(at, x);
    },
  };
  Object.assign(forward, watched);
}

/** A report that notes when stages begin and end. */
function watchedReport(): Report {
  const own = terminalReport();
  const stage: Report["stage"] = async (name, run) => {
    const from = samples.length;
    try {
      return await own.stage(name, run);
    } finally {
      steps.push({ name, from, to: samples.length });
    }
  };
  return { ...own, stage };
}

async function run(): Promise<void> {
  const inputs = parseInputs((name) => order.inputs[name] ?? "", process.env);
  const own = openDependencies(inputs, watchedReport(), "");
  const open = async () => {
    const kernel = new WatchedKernel(await openKernel({ workers: 2 }), {
      most: order.computed || Infinity,
      onlyMemory: order.onlyMemory === true,
    });
    kernels.push(kernel);
    return kernel;
  };
  const dependencies: Dependencies = { ...own, openKernel: open };
  if (order.stage === "sensitivity") {
    writeFileSync(order.target, writeSensitivity(await measureModel(inputs, dependencies)));
  } else if (order.stage === "quantize") {
    await quantizeModel(inputs, order.target, dependencies);
  } else if (order.stage === "publish") {
    const { failure } = await publishModel(inputs, dependencies);
    if (failure !== null) throw failure;
  } else {
    const model = parseModel(order.target, "");
    await verify(model, inputs, dependencies);
  }
}

watchForward(nemotronHForward);
const sampling = setInterval(() => samples.push(process.memoryUsage.rss()), 100);
const started = performance.now();
const before = process.cpuUsage();
await run();
clearInterval(sampling);
const { user, system } = process.cpuUsage(before);
const main = process.threadCpuUsage();
const result: StageResult = {
  kinds: kernels.flatMap(({ kinds }) => [...kinds.values()]),
  passed,
  peak: process.resourceUsage().maxRSS * 1024,
  samples,
  steps,
  seconds: (performance.now() - started) / 1e3,
  cpu: (user + system) / 1e6,
  mainCpu: (main.user + main.system) / 1e6,
};
writeFileSync(order.result, JSON.stringify(result));
