import type { Rows } from "../../src/calibration/rows.ts";
import type { Coding } from "../../src/coding/coding.ts";
import { fitRun, secondsOf } from "../../src/estimate/run-estimate.ts";
import { OqeError } from "../../src/ground/errors.ts";
import { usualShare } from "../../src/ground/memory.ts";
import { sum } from "../../src/ground/sum.ts";
import { sharedIntegers } from "../../src/kernel/matrix.ts";
import { elements, storedBytes } from "../../src/mlx/format.ts";
import type { PlannedTensor } from "../../src/models/architecture.ts";
import { asCoded } from "../../src/models/source.ts";
import { planTier } from "../../src/plan/plan.ts";
import type { TierPlan } from "../../src/plan/plan-types.ts";
import { tiers } from "../../src/plan/tiers.ts";
import { evaluationShape, everyOf } from "../../src/series/rows.ts";
import { foreseeSeries, type SeriesRequest } from "../../src/series/run-needs.ts";
import { shapedBase } from "../../test/support/shaped-base.ts";
import type { KnownModel } from "./models.ts";

/** Operations a second of one thread. */
const speed = 45e9;
/** GitHub's free runners for public repositories (docs.github.com, "GitHub-hosted runners"). */
const runners = [
  { label: "macos-latest", threads: 3, memory: 7e9, disk: 14e9 },
  { label: "ubuntu-24.04-arm", threads: 4, memory: 16e9, disk: 14e9 },
] as const;
/** A machine of 4 cores that has what it takes, for models that fit no free runner. */
const larger = { label: null, threads: 4, memory: 1e15, disk: 1e15 };
const domains = 9;

/** What publishing all four tiers in one job takes on a runner, with all defaults. */
export interface Needs {
  readonly reads: number;
  readonly memory: number;
  readonly disk: number;
  /** Of the arithmetic. */
  readonly hours: number;
  /** null: no free runner has the memory and the disk; then hours are those of 4 cores. */
  readonly runner: string | null;
}

/** A model by its shapes alone: plans by rules, and the first runner that its series fits. */
export interface SizedModel {
  readonly shaped: ReturnType<typeof shapedBase>;
  readonly parameters: number;
  /** Of the base's tensors as published. */
  readonly bytes: number;
  readonly plans: readonly TierPlan[];
  readonly needs: Needs;
}

/** Sizes a model by the same plan and the same estimate as a run prints. */
export function sizeModel({ config, expertBits = 16 }: KnownModel): SizedModel {
  const floats = shapedBase(config);
  const shaped = expertBits === 16 ? floats : { ...floats, tensors: floats.tensors.map(asMxfp4) };
  const parameters = sum(shaped.tensors, ({ shape }) => shape.reduce((a, b) => a * b, 1));
  const bytes = sum(shaped.tensors, (tensor) =>
    tensor.role.kind === "expert" ? (elements(tensor.shape) * expertBits) / 8 : storedBytes(tensor),
  );
  const coded = expertBits === 16 ? null : { words: "", publishedBytes: bytes };
  const base = { ...shaped, parameters, coded };
  const plans = tiers.map((tier) => planTier(tier, base));
  return { shaped, parameters, bytes, plans, needs: findNeeds(base, plans) };
}

/** Experts as gpt-oss's authors publish them. */
function asMxfp4(tensor: PlannedTensor): PlannedTensor {
  if (tensor.role.kind !== "expert") return tensor;
  const names = { codes: "", scales: "", zeros: null, shapeCopy: null };
  const coding: Coding = { ...names, format: "fp4", block: [1, 32], isTransposed: true };
  const sources = tensor.sources.map((source) => asCoded(source, coding));
  return { ...tensor, dtype: "F32", sources };
}

function findNeeds(base: SizedModel["shaped"], plans: readonly TierPlan[]): Needs {
  const options = { repair: ["router", "rounding"], propagation: "reference" };
  const evaluation = evaluationShape(base, {});
  // What the estimate reads of a request.
  const request = {
    base: { ...base, carried: [] },
    runs: plans.map((plan) => ({ recipe: { plan, series: plans, options } })),
    rows: {
      tuning: { rows: rowsOf(128, 256) },
      evaluation: { rows: rowsOf(evaluation.samples, evaluation.length), every: everyOf(base) },
    },
    sources: { measures: true, given: null, proxy: null },
    staging: {},
  } as unknown as SeriesRequest;
  for (const { label, threads, memory, disk: free } of [...runners, larger]) {
    const estimate = foreseeSeries(request, threads);
    const machine = { given: null, usual: usualShare * memory, memory, folder: ".", free };
    try {
      const fit = fitRun(estimate, plans, machine);
      const holding = fit.inTurn ? estimate.holding : estimate.sideBySide;
      return {
        reads: sum(estimate.reads, (read) => read.bytes),
        memory: Math.max(estimate.least.bytes, holding + fit.inMemory),
        disk: fit.disk,
        hours: sum(estimate.stages, (stage) => secondsOf(stage, threads * speed)) / 3600,
        runner: label,
      };
    } catch (error) {
      if (!(error instanceof OqeError)) throw error; // it does not fit
    }
  }
  throw new Error("a machine with all memory fits");
}

function rowsOf(samples: number, length: number): Rows {
  const rows = Array.from({ length: samples }, (_, row) => ({
    domain: `d${Math.floor((row * domains) / samples)}`,
  }));
  const counts: Record<string, number> = {};
  for (const { domain } of rows) counts[domain] = (counts[domain] ?? 0) + 1;
  const ids = sharedIntegers(samples * length);
  return { ids, samples, length, rows, domains: counts, tokens: ids.length, sha256: "" };
}

export function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

export function billions(count: number): string {
  return `${(count / 1e9).toFixed(1)} B`;
}
