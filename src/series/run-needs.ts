import { dirname } from "node:path";
import type { Base } from "../base/base.ts";
import { bytesToCarry } from "../base/carry.ts";
import type { Rows } from "../calibration/rows.ts";
import { mostHeldOutside } from "../checkpoint/held-runs.ts";
import { paysAhead, type Shares, shareAhead } from "../estimate/ahead.ts";
import { shapeOf } from "../estimate/model-shape.ts";
import { estimateLines, estimateRun, fitRun, type RunEstimate } from "../estimate/run-estimate.ts";
import { measureSpeed } from "../estimate/speed.ts";
import type { PlannedTier, RunWork } from "../estimate/work.ts";
import type { EvaluationRows } from "../evaluation/evaluate.ts";
import { type DiskNeed, freeBytes, requireRoom, tryFolder } from "../ground/disk.ts";
import { machineMemory, usualMemory } from "../ground/memory.ts";
import { gateRowsOf, tuningSettings } from "../quantize/tuning-settings.ts";
import { probeRowsOf, sampleOf } from "../sensitivity/probe-rows.ts";
import { type FoldersRequest, isRounded } from "./folders.ts";
import { keptBytes } from "./kept-room.ts";
import type { TierRun } from "./recipes.ts";
import { type Calibration, everyOf } from "./rows.ts";
import { measuringNeed, probeSizeOf } from "./sensitivity.ts";
import type { Outside, Sources } from "./sources.ts";

/** The stock quant is rounded and evaluated once for all tiers. */
const stockRuns = 1;

/** What a run needs of the machine, found before any work. */
export interface RunNeeds {
  /** Bytes of hidden states that may stay in memory between two blocks. */
  readonly memoryForStates: number;
  /** Whether riders on the base go through experts one after the other, to need less memory. */
  readonly inTurn: boolean;
  /** Bytes of the base that may wait in files to be hashed. */
  readonly mostWaiting: number;
  /** Bytes on the disk at once. Finished blocks that are staged leave it. */
  readonly disk: number;
  /** Whether a job that works ahead of the tiers' own is worth a runner. */
  readonly paysAhead: boolean;
  /** For log and job summary. They differ from machine to machine and are in no receipt. */
  readonly lines: readonly string[];
}

type MachineNeeds = Omit<RunNeeds, "paysAhead">;

export interface SeriesRequest {
  readonly base: Base;
  /** If the measured plans do not exist yet, plans by fixed rules. Their sizes are the same. */
  readonly runs: readonly TierRun[];
  readonly rows: Calibration;
  readonly sources: Sources;
  readonly memoryLimit: RunPlace["memoryLimit"];
  readonly workDir: string;
  readonly staging: FoldersRequest["staging"];
  /** Whether the run works ahead of the tiers' own jobs: it evaluates nothing. Default: no. */
  readonly isAhead?: boolean;
}

/**
 * Tells what the run will read and write, the memory, the disk and the time that it needs. Throws
 * MEMORY or DISK if it cannot fit; the message names what would.
 */
export async function estimateSeries(request: SeriesRequest, outside: Outside): Promise<RunNeeds> {
  const { runs, memoryLimit, workDir } = request;
  const work = workOf(request, outside.kernel.workers);
  const saved = work.measuring === null ? null : measuringNeed(request.base, workDir);
  const place = { folder: dirname(runs[0]!.place), memoryLimit, saved };
  const shares = foreseeAhead(request);
  const needs = await estimateWork(work, { ...place, kept: await keptBytes(runs, false) }, outside);
  return { ...needs, paysAhead: shares !== null && paysAhead(shares) };
}

/** What the run will need on any machine with so many threads, without looking at this one. */
export function foreseeSeries(request: SeriesRequest, workers: number): RunEstimate {
  return estimateRun(workOf(request, workers));
}

/** How a job that works ahead of the tiers' own would share their work. null: it cannot. */
export function foreseeAhead(request: SeriesRequest): Shares | null {
  return shareAhead(workOf({ ...request, isAhead: false }, 1));
}

/** What a measurement would need on any machine, from shapes and rows. */
export function foreseeMeasuring(
  { base, rows, sources }: { readonly base: Base; readonly rows: Rows; readonly sources: Sources },
  workers: number,
): RunEstimate {
  return estimateRun(measuringWork(base, rows, sources, workers));
}

function measuringWork(base: Base, rows: Rows, sources: Sources, workers: number): RunWork {
  const shape = shapeOf(base);
  return {
    shape,
    plans: [],
    measuring: measuringOf(base, shape.bytes, rows, sources),
    tuning: null,
    evaluation: null,
    ...{ makes: false, staged: false },
    workers,
  };
}

/** The same for a measurement alone. Nothing is planned without rows: the measurement refuses. */
export async function estimateMeasuring(
  { base, rows, sources }: Pick<SeriesRequest, "base" | "rows" | "sources">,
  { folder, memoryLimit }: Omit<RunPlace, "saved">,
  outside: Outside,
): Promise<Pick<RunNeeds, "mostWaiting">> {
  if (rows.tuning === null) return { mostWaiting: 0 };
  const work = measuringWork(base, rows.tuning.rows, sources, outside.kernel.workers);
  const saved = measuringNeed(base, folder);
  return estimateWork(work, { folder, memoryLimit, saved }, outside);
}

/** The same for an evaluation of a finished tier. Its files are made below `folder`. */
export async function estimateEvaluation(
  {
    base,
    tier,
    rows,
  }: { readonly base: Base; readonly tier: PlannedTier; readonly rows: EvaluationRows },
  place: Omit<RunPlace, "saved">,
  outside: Outside,
): Promise<MachineNeeds> {
  const { tokens } = rows.rows;
  const wikitext = rows.wikitext?.rows.tokens ?? 0;
  const work: RunWork = {
    shape: shapeOf(base),
    plans: [tier],
    measuring: null,
    tuning: null,
    evaluation: { tokens, wikitext, sparse: sparseTokens(base, tokens), rounded: 1 + stockRuns },
    ...{ makes: false, staged: false },
    workers: outside.kernel.workers,
  };
  return estimateWork(work, { ...place, saved: null }, outside);
}

/** Where files go, and the input memory-limit. */
interface RunPlace {
  /** Of tiers and hidden states. */
  readonly folder: string;
  /** What a measurement saves, perhaps on another disk; null: nothing. */
  readonly saved: DiskNeed | null;
  /** Bytes of tiers that are there already. Default: none. */
  readonly kept?: number;
  /** In bytes; null: not given. */
  readonly memoryLimit: number | null;
}

async function estimateWork(
  work: RunWork,
  { folder, saved, memoryLimit: given, kept = 0 }: RunPlace,
  { kernel, report }: Outside,
): Promise<MachineNeeds> {
  const estimate = estimateRun(work);
  const found = await freeBytes(folder);
  const free = found === null ? null : found + kept;
  const fit = fitRun(estimate, work.plans, {
    given,
    usual: usualMemory(),
    memory: machineMemory(),
    ...{ folder, free },
  });
  const needs = [
    { folder, bytes: Math.max(0, fit.disk - kept) },
    ...(saved === null ? [] : [saved]),
  ];
  await requireRoom(needs);
  for (const need of needs) if (need.bytes > 0) await tryFolder(need.folder);
  const mostWaiting = Math.min(mostHeldOutside, (free ?? Infinity) - fit.disk);
  return report.stage("Estimate the run", async () => {
    const operations = estimate.stages.reduce((sum, stage) => sum + stage.operations, 0);
    const speed = await measureSpeed(kernel, operations);
    const { workers } = kernel;
    const lines = estimateLines(estimate, fit, { speed, workers, tiers: work.plans.length });
    for (const line of lines) report.info(line);
    const { inMemory: memoryForStates, inTurn, disk } = fit;
    return { memoryForStates, inTurn, disk, mostWaiting, lines };
  });
}

function workOf(request: SeriesRequest, workers: number): RunWork {
  const { base, runs, rows, sources, staging, isAhead = false } = request;
  const shape = shapeOf(base);
  const { tuning } = rows;
  const evaluated = isAhead ? null : rows.evaluation;
  const ahead = isAhead ? { ahead: foreseeAhead(request)?.ahead ?? 0 } : {};
  const { repair, propagation } = runs[0]!.recipe.options; // the same for all tiers of a run
  const measures = sources.measures && tuning !== null;
  return {
    shape,
    plans: runs.map(({ recipe }) => recipe.plan),
    carried: bytesToCarry(base),
    measuring: measures ? measuringOf(base, shape.bytes, tuning.rows, sources) : null,
    tuning: tuning && {
      tokens: tuning.rows.tokens,
      repaired:
        repair?.includes("router") === true && shape.experts !== null
          ? tuning.rows.length * gateRowsOf(tuningSettings, tuning.rows, shape.hidden)
          : 0,
      sequential: propagation === "sequential",
      residual: propagation === "sequential" && repair?.includes("residual") === true,
    },
    evaluation: evaluated && {
      tokens: evaluated.rows.tokens,
      wikitext: evaluated.wikitext?.rows.tokens ?? 0,
      sparse: sparseTokens(base, evaluated.rows.tokens),
      rounded: runs.filter((run) => isRounded(base, run)).length + stockRuns,
    },
    ...{ makes: true, staged: staging !== null && tuning !== null, ...ahead },
    workers,
  };
}

/** Tokens of the rows that the runs beside the free ones pass. */
function sparseTokens(base: Base, tokens: number): number {
  return Math.ceil(tokens / everyOf(base));
}

function measuringOf(
  base: Base,
  bytes: number,
  rows: Rows,
  { proxy }: Sources,
): RunWork["measuring"] {
  const size = probeSizeOf(base);
  const { others, ids, more, compared } = probeRowsOf(rows, size, {});
  const sizes = proxy === null ? [] : [...proxy.files];
  const ofProxy = sizes.reduce(
    (sum, [name, size]) => sum + (name.endsWith(".safetensors") ? size : 0),
    0,
  );
  return {
    bytes: proxy === null ? bytes : ofProxy,
    ...{ others: others.length, probe: ids.length, more: more.length },
    positions: compared.length,
    sample: sampleOf(size),
  };
}
