import type { Base } from "../base/base.ts";
import { baseWeights } from "../base/base-weights.ts";
import type { CalibrationRecord } from "../calibration/calibration-record.ts";
import type { Rows } from "../calibration/rows.ts";
import { OqeError } from "../ground/errors.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import type { FinishedModel } from "../mlx/mlx-weights.ts";
import { Ops } from "../models/ops.ts";
import type { RunOptions } from "../models/run.ts";
import { type Divergence, diverge, observe, type Reference } from "./divergence.ts";
import type { Evaluation } from "./evaluation-types.ts";
import { errorOverRows, figuresOf, layersOf, rounded, routersOf, rowMeans } from "./figures.ts";
import { judge, type Limits } from "./gates.ts";
import { roundedWeights } from "./rounded-weights.ts";
import { mean, quantile } from "./statistics.ts";

/** Rows to measure on, and what a receipt says of them. */
export interface EvaluationRows {
  readonly rows: Rows;
  readonly record: CalibrationRecord;
}

/** A base that has been run over the evaluation rows: once for all tiers. */
export interface ObservedBase {
  readonly reference: Reference;
  readonly evaluation: EvaluationRows;
  readonly kernel: Kernel;
}

export interface EvaluateOptions {
  /** What the plan predicted; null where it did not. */
  readonly predicted: Evaluation["predicted"];
  /** What is asked of the tier; may be nothing. */
  readonly limits: Partial<Limits>;
  /** Called after each block of each pass. */
  readonly progress?: RunOptions["progress"];
}

/** Passes over the evaluation rows that a proof takes, beside the one that observes the base. */
export function passesOf({ architecture, config }: Base): number {
  return architecture.experts(config) === null ? 2 : 3;
}

/** Runs the base over the rows. Holds its last hidden states, tokens × width × 4 bytes, until it is let go. */
export async function observeBase(
  base: Base,
  evaluation: EvaluationRows,
  kernel: Kernel,
  progress?: RunOptions["progress"],
): Promise<ObservedBase> {
  const { architecture, config } = base;
  const model = { architecture, config, weights: baseWeights(base, kernel), ops: new Ops(kernel) };
  return { reference: await observe(model, evaluation.rows, progress), evaluation, kernel };
}

/**
 * Measures a finished tier against its base, from the bytes as stored: as a user runs it; with the base's routes forced; and, for
 * comparison, the base rounded plainly at the tier's plan. The same rows, model and kernel give the same proof.
 * Throws BAD_CHECKPOINT where a figure is not finite.
 */
export async function evaluate(
  base: ObservedBase,
  tier: FinishedModel,
  options: EvaluateOptions,
): Promise<Evaluation> {
  const { reference, evaluation, kernel } = base;
  const { rows, record } = evaluation;
  const { length, samples } = rows;
  const all = Array.from({ length: samples }, (_, row) => row);
  const free = finite(await diverge(reference, tier, false, options.progress), tier);
  const hasRouters = free.routerAgreement.size > 0;
  const forced = hasRouters
    ? finite(await diverge(reference, tier, true, options.progress), tier)
    : free;
  const plain = { ...tier, weights: roundedWeights(reference.base.weights, tier.tensors, kernel) };
  const rounding = withoutNoise(await diverge(reference, plain, false, options.progress));
  const forcedKl = rowMeans(forced.divergence, all, length);
  const figures = { ...figuresOf(free, all, length), ...routersOf(free) };
  return {
    rows: { source: record.source, sha256: rows.sha256, samples, length },
    ...figures,
    medianKl: rounded(quantile(free.divergence, 0.5)),
    p99Kl: rounded(quantile(free.divergence, 0.99)),
    p999Kl: rounded(quantile(free.divergence, 0.999)),
    maxKl: rounded(quantile(free.divergence, 1)),
    forcedMeanKl: rounded(mean(forcedKl)),
    forcedMeanKlError: errorOverRows(forcedKl),
    byDomain: rowsByDomain(rows).map(([domain, ofDomain]) => ({
      domain,
      ...figuresOf(free, ofDomain, length),
    })),
    byLayer: layersOf(free),
    predicted: options.predicted && {
      forcedKl: rounded(options.predicted.forcedKl),
      kl: rounded(options.predicted.kl),
    },
    rounded: isSound(rounding)
      ? { ...figuresOf(rounding, all, length), ...routersOf(rounding) }
      : null,
    gates: judge(figures, options.limits),
  };
}

/** Indices of each domain's rows, domains in the order of the rows. */
function rowsByDomain({ rows }: Rows): [domain: string, rows: number[]][] {
  const found = new Map<string, number[]>();
  for (const [row, { domain }] of rows.entries())
    found.set(domain, [...(found.get(domain) ?? []), row]);
  return [...found];
}

/** A KL is below 0 by float error only: of two distributions that are the same. */
function withoutNoise(found: Divergence): Divergence {
  return { ...found, divergence: found.divergence.map((value) => Math.max(0, value)) };
}

function isSound({ divergence }: Divergence): boolean {
  return divergence.every(Number.isFinite);
}

/** A logit that is no number makes every figure meaningless; so does a model that gives the right token no chance at all. */
function finite(found: Divergence, { config }: FinishedModel): Divergence {
  if (isSound(found)) return withoutNoise(found);
  const count = found.divergence.filter((value) => !Number.isFinite(value)).length;
  const where = found.divergence.findIndex((value) => !Number.isFinite(value));
  throw new OqeError(
    "BAD_CHECKPOINT",
    `the finished ${String(config.model_type)} model has no finite KL at ${count} of ${found.divergence.length} positions, first at ${where}`,
    "Its scales, biases or kept tensors hold values that are no numbers. Do not use these files.",
  );
}
