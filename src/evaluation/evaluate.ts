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
import { errorOverRows, figuresOf, layersOf, routersOf, rowMeans, shorten } from "./figures.ts";
import { judge, type Limits } from "./gates.ts";
import { roundedWeights } from "./rounded-weights.ts";
import { mean, quantile } from "./statistics.ts";

/** Rows to evaluate on, and their description for the receipt. */
export interface EvaluationRows {
  readonly rows: Rows;
  readonly record: CalibrationRecord;
}

/** The base's results on the evaluation rows. They serve all tiers. */
export interface ObservedBase {
  readonly reference: Reference;
  readonly evaluation: EvaluationRows;
  readonly kernel: Kernel;
}

export interface EvaluateOptions {
  /** The plan's prediction; null for a plan by rules. */
  readonly predicted: Evaluation["predicted"];
  /** The tier's gates. A gate without a limit is left out. */
  readonly limits: Partial<Limits>;
  /** Called after each block of each pass. */
  readonly progress?: RunOptions["progress"];
}

/** Passes over the evaluation rows for one tier, besides the pass of the base. */
export function passesOf({ architecture, config }: Base): number {
  return architecture.experts(config) === null ? 2 : 3;
}

/**
 * Runs the base over the rows. The result holds the last hidden states: tokens × hidden size × 4
 * bytes.
 */
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
 * Compares a finished tier, as stored, with its base: with free routes, as users run it, and with
 * forced routes (the tier follows the base's choice of experts). The base rounded plainly at the
 * tier's plan is evaluated too, for comparison. The same rows, model and kernel give the same
 * figures. Throws BAD_CHECKPOINT for figures that are not finite.
 */
export async function evaluate(
  base: ObservedBase,
  tier: FinishedModel,
  options: EvaluateOptions,
): Promise<Evaluation> {
  const { reference, evaluation } = base;
  const { rows, record } = evaluation;
  const { length, samples } = rows;
  const all = [...Array(samples).keys()];
  const free = finite(await diverge(reference, tier, false, options.progress), tier);
  const hasRouters = free.routerAgreement.size > 0;
  const forced = hasRouters
    ? finite(await diverge(reference, tier, true, options.progress), tier)
    : free;
  const rounded = await evaluateRounded(base, tier, options);
  const forcedKl = rowMeans(forced.divergence, all, length);
  const figures = { ...figuresOf(free, all, length), ...routersOf(free) };
  return {
    rows: { source: record.source, sha256: rows.sha256, samples, length },
    ...figures,
    ...quantilesOf(free),
    forcedMeanKl: shorten(mean(forcedKl)),
    forcedMeanKlError: errorOverRows(forcedKl),
    byDomain: rowsByDomain(rows).map(([domain, ofDomain]) => ({
      domain,
      ...figuresOf(free, ofDomain, length),
    })),
    byLayer: layersOf(free),
    predicted: options.predicted && {
      forcedKl: shorten(options.predicted.forcedKl),
      kl: shorten(options.predicted.kl),
    },
    rounded,
    gates: judge(figures, options.limits),
  };
}

function quantilesOf({ divergence }: Divergence) {
  const at = (share: number) => shorten(quantile(divergence, share));
  return { medianKl: at(0.5), p99Kl: at(0.99), p999Kl: at(0.999), maxKl: at(1) };
}

/** Figures of plain rounding at the tier's plan; null if they are not finite. */
async function evaluateRounded(
  { reference, evaluation, kernel }: ObservedBase,
  tier: FinishedModel,
  { progress }: EvaluateOptions,
): Promise<Evaluation["rounded"]> {
  const weights = roundedWeights(reference.base.weights, tier.tensors, kernel);
  const found = withoutNoise(await diverge(reference, { ...tier, weights }, false, progress));
  if (!isSound(found)) return null;
  const { samples, length } = evaluation.rows;
  return { ...figuresOf(found, [...Array(samples).keys()], length), ...routersOf(found) };
}

/** Row numbers of each domain, in the order in which the domains appear. */
function rowsByDomain({ rows }: Rows): [domain: string, rows: number[]][] {
  const found = new Map<string, number[]>();
  for (const [row, { domain }] of rows.entries())
    found.set(domain, [...(found.get(domain) ?? []), row]);
  return [...found];
}

/** Sets negative KLs to 0: they are float errors of distributions that are nearly equal. */
function withoutNoise(found: Divergence): Divergence {
  return { ...found, divergence: found.divergence.map((value) => Math.max(0, value)) };
}

function isSound({ divergence }: Divergence): boolean {
  return divergence.every(Number.isFinite);
}

/** Throws BAD_CHECKPOINT if a KL is not finite: one such value makes every figure meaningless. */
function finite(found: Divergence, { config }: FinishedModel): Divergence {
  if (isSound(found)) return withoutNoise(found);
  const count = found.divergence.filter((value) => !Number.isFinite(value)).length;
  const where = found.divergence.findIndex((value) => !Number.isFinite(value));
  throw new OqeError(
    "BAD_CHECKPOINT",
    `the finished ${String(config.model_type)} model has no finite KL ` +
      `at ${count} of ${found.divergence.length} positions, the first at ${where}`,
    "Its scales, biases or unquantized tensors contain NaN or infinity. Do not use these files.",
  );
}
