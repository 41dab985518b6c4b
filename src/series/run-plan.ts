import { dirname } from "node:path";
import type { Base } from "../base/base.ts";
import { shapeOf } from "../estimate/model-shape.ts";
import { estimateLines, estimateRun, fitRun } from "../estimate/run-estimate.ts";
import { measureSpeed } from "../estimate/speed.ts";
import type { PlannedTier, RunWork } from "../estimate/work.ts";
import { freeBytes } from "../ground/disk.ts";
import { machineMemory, memoryLimit } from "../ground/memory.ts";
import type { Report } from "../ground/report.ts";
import type { Inputs } from "../inputs/inputs.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { mostGateRows } from "../quantize/base-routers.ts";
import { probeRowsOf } from "../sensitivity/probe-rows.ts";
import { isRounded } from "./folders.ts";
import type { TierRun } from "./recipes.ts";
import type { Calibration } from "./rows.ts";
import { probeSizeOf } from "./sensitivity.ts";
import type { Sources } from "./sources.ts";

/** What a run needs of the machine, found before any work. */
export interface RunPlan {
  /** Bytes of hidden states that may stay in memory between two blocks. */
  readonly memoryForStates: number;
  /** For log and job summary. They differ from machine to machine and are in no receipt. */
  readonly lines: readonly string[];
}

export interface RunPlanRequest {
  readonly base: Base;
  /** With plans by fixed rules where the measured ones do not exist yet: sizes are the same. */
  readonly runs: readonly TierRun[];
  readonly rows: Calibration;
  readonly sources: Sources;
  readonly inputs: Pick<Inputs, "policy" | "propagation" | "memoryLimit">;
  readonly kernel: Kernel;
  readonly report: Report;
}

/**
 * Tells what the run will read and write, the memory, the disk and the time that it needs. Throws
 * MEMORY or DISK if it cannot fit; the message names what would.
 */
export async function planRun(request: RunPlanRequest): Promise<RunPlan> {
  const folder = dirname(request.runs[0]!.place);
  return planWork(workOf(request), folder, request);
}

/** The same for a measurement alone. Nothing is planned without rows: the measurement refuses. */
export async function planMeasuring({
  inputs,
  rows,
  sources,
  ...dependencies
}: Pick<RunPlanRequest, "base" | "sources" | "kernel" | "report"> & {
  readonly rows: Calibration;
  readonly inputs: Pick<Inputs, "memoryLimit" | "workDir">;
}): Promise<void> {
  const { base, kernel } = dependencies;
  if (rows.tuning === null) return;
  const shape = shapeOf(base);
  const work: RunWork = {
    shape,
    plans: [],
    measuring: measuringOf(base, shape.bytes, rows.tuning.rows, sources),
    tuning: null,
    evaluation: null,
    makes: false,
    workers: kernel.workers,
  };
  await planWork(work, inputs.workDir, { inputs, ...dependencies });
}

/** The same for an evaluation of finished tiers. Its files are made below `folder`. */
export async function planEvaluation(
  {
    base,
    tier,
    tokens,
  }: { readonly base: Base; readonly tier: PlannedTier; readonly tokens: number },
  folder: string,
  outside: Pick<RunPlanRequest, "kernel" | "report"> & {
    readonly inputs: Pick<Inputs, "memoryLimit">;
  },
): Promise<RunPlan> {
  const work: RunWork = {
    shape: shapeOf(base),
    plans: [tier],
    measuring: null,
    tuning: null,
    evaluation: { tokens, rounded: 1 },
    makes: false,
    workers: outside.kernel.workers,
  };
  return planWork(work, folder, outside);
}

async function planWork(
  work: RunWork,
  folder: string,
  {
    inputs,
    kernel,
    report,
  }: Pick<RunPlanRequest, "kernel" | "report"> & {
    readonly inputs: Pick<Inputs, "memoryLimit">;
  },
): Promise<RunPlan> {
  const estimate = estimateRun(work);
  const fit = fitRun(estimate, work.plans, {
    given: inputs.memoryLimit,
    usual: memoryLimit(null),
    memory: machineMemory(),
    ...{ folder, free: await freeBytes(folder) },
  });
  return report.stage("Plan the run", async () => {
    const operations = estimate.stages.reduce((sum, stage) => sum + stage.operations, 0);
    const speed = await measureSpeed(kernel, operations);
    const { workers } = kernel;
    const lines = estimateLines(estimate, fit, { speed, workers, tiers: work.plans.length });
    for (const line of lines) report.info(line);
    return { memoryForStates: fit.inMemory, lines };
  });
}

function workOf({ base, runs, rows, sources, inputs, kernel }: RunPlanRequest): RunWork {
  const shape = shapeOf(base);
  const { tuning, evaluation } = rows;
  const { repair } = runs[0]!.recipe.options; // the same for all tiers of a run
  const measures = inputs.policy === "measured" && sources.given === null && tuning !== null;
  return {
    shape,
    plans: runs.map(({ recipe }) => recipe.plan),
    measuring: measures ? measuringOf(base, shape.bytes, tuning.rows, sources) : null,
    tuning: tuning && {
      tokens: tuning.rows.tokens,
      repaired:
        repair?.includes("router") === true && shape.experts !== null
          ? tuning.rows.length * Math.min(mostGateRows, tuning.rows.samples)
          : 0,
      sequential: inputs.propagation === "sequential",
    },
    evaluation: evaluation && {
      tokens: evaluation.rows.tokens,
      rounded: runs.filter((run) => isRounded(base, runs, run)).length,
    },
    makes: true,
    workers: kernel.workers,
  };
}

function measuringOf(
  base: Base,
  bytes: number,
  rows: Parameters<typeof probeRowsOf>[0],
  { proxy }: Sources,
): RunWork["measuring"] {
  const { others, ids, judged } = probeRowsOf(rows, probeSizeOf(base), {});
  const sizes = proxy === null ? [] : [...proxy.files];
  const ofProxy = sizes.reduce(
    (sum, [name, size]) => sum + (name.endsWith(".safetensors") ? size : 0),
    0,
  );
  return {
    bytes: proxy === null ? bytes : ofProxy,
    ...{ others: others.length, probe: ids.length, judged: judged.length },
  };
}
