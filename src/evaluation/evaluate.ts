import type { Base } from "../base/base.ts";
import { finiteWeights } from "../base/base-weights.ts";
import type { CalibrationRecord } from "../calibration/calibration-record.ts";
import type { Rows } from "../calibration/rows.ts";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { sharedIntegers } from "../kernel/matrix.ts";
import type { FinishedModel, FinishedTensor } from "../mlx/mlx-weights.ts";
import { keepWeights } from "../models/kept-weights.ts";
import { Ops } from "../models/ops.ts";
import { withReadAhead } from "../models/read-ahead.ts";
import { type KeepStates, type Rider, rideAll } from "../models/rider.ts";
import type { Model, WeightSource } from "../models/run.ts";
import { BaseRun, ComparedRun, type Divergence, divergences } from "./divergence.ts";
import type { Evaluation } from "./evaluation-types.ts";
import { errorOverRows, figuresOf, layersOf, routersOf, rowMeans, shorten } from "./figures.ts";
import { judge, type Limits } from "./gates.ts";
import { roundedWeights } from "./rounded-weights.ts";
import { mean, quantile } from "./statistics.ts";
import { type StockQuant, stockQuant } from "./stock-quant.ts";
import { WikitextRide, type WikitextRows } from "./wikitext-ride.ts";

/** Rows to evaluate on, and their description for the receipt. */
export interface EvaluationRows {
  readonly rows: Rows;
  readonly record: CalibrationRecord;
  /** The runs beside the free ones, forced and rounded, pass every so many-th row: 1 for all. */
  readonly every: number;
  /** Chunks of WikiText-2 to evaluate on as well; absent: its text was not given. */
  readonly wikitext?: WikitextRows;
}

/** What is evaluated of a tier, beside its free run. */
export interface RideOptions {
  readonly rows: EvaluationRows;
  /**
   * For each tier its tensors as stored, if plain rounding at its plan is to be evaluated too; else
   * null.
   */
  readonly rounded: readonly (readonly FinishedTensor[] | null)[];
  /** The stock quant of the same base, evaluated once for all tiers. */
  readonly stock: StockQuant;
  /** Whether the model has routers. Without them, forced routes are free ones. */
  readonly hasRouters: boolean;
  readonly kernel: Kernel;
  readonly keep?: KeepStates | undefined;
}

interface TierRuns {
  readonly free: ComparedRun;
  readonly forced: ComparedRun | null;
  readonly rounded: ComparedRun | null;
}

/** A finished tier, with what its evaluation says beside the figures. */
export interface EvaluatedTier {
  readonly model: FinishedModel;
  /** The plan's prediction; null for a plan by rules. */
  readonly predicted: Evaluation["predicted"];
  /** The tier's gates. A gate without a limit is left out. */
  readonly limits: Partial<Limits>;
}

/**
 * The riders that evaluate some tiers. `base` ride on the base's weights, `tiers[i]` on those of
 * tier i as stored. When all have passed the last block, `finish` compares them.
 */
export class EvaluationRide {
  readonly base: readonly Rider[];
  readonly tiers: readonly (readonly Rider[])[];
  readonly #rows: EvaluationRows;
  readonly #base: BaseRun;
  readonly #runs: readonly TierRuns[];
  readonly #stock: StockQuant & { readonly run: ComparedRun };
  readonly #wikitext: WikitextRide | null;

  constructor({ rows, rounded, stock, hasRouters, kernel, keep }: RideOptions) {
    const { every } = rows;
    this.#rows = { ...rows, rows: sparseFirst(rows.rows, every) };
    const base = new BaseRun(this.#rows.rows, keep);
    const beside = { samples: Math.ceil(rows.rows.samples / every), keep };
    this.#base = base;
    const roundedTo = (plan: readonly FinishedTensor[]) => {
      const weights = (own: WeightSource) => roundedWeights(own, plan, kernel);
      return new ComparedRun(base, { forced: false, weights, ...beside });
    };
    this.#runs = rounded.map((plan) => ({
      free: new ComparedRun(base, { forced: false, keep }),
      forced: hasRouters ? new ComparedRun(base, { forced: true, ...beside }) : null,
      rounded: plan && roundedTo(plan),
    }));
    this.#stock = { ...stock, run: roundedTo(stock.tensors) };
    const wikitext = rows.wikitext ? new WikitextRide(rows.wikitext, rounded.length, keep) : null;
    this.#wikitext = wikitext;
    const roundedRuns = this.#runs.flatMap((runs) => runs.rounded ?? []);
    this.base = [
      base,
      ...[...roundedRuns, this.#stock.run].map(({ rider }) => rider),
      ...(wikitext === null ? [] : [wikitext.base]),
    ];
    this.tiers = this.#runs.map(({ free, forced }, i) => [
      ...[free, ...(forced === null ? [] : [forced])].map(({ rider }) => rider),
      ...(wikitext === null ? [] : [wikitext.tiers[i]!]),
    ]);
  }

  /**
   * Compares all runs with the base's. The same rows, models and kernel give the same figures.
   * Throws BAD_CHECKPOINT for figures that are not finite.
   */
  async finish(base: Model, tiers: readonly EvaluatedTier[]): Promise<readonly Evaluation[]> {
    const finished = this.#runs.flatMap(({ free, forced, rounded }, i) => {
      const { model } = tiers[i]!;
      return [
        { run: free, model },
        ...(forced === null ? [] : [{ run: forced, model }]),
        ...(rounded === null ? [] : [{ run: rounded, model: base }]),
      ];
    });
    finished.push({ run: this.#stock.run, model: base });
    const found = await divergences({ model: base, run: this.#base }, finished);
    const of = (run: ComparedRun) => found[finished.findIndex((one) => one.run === run)]!;
    const stock = withoutNoise(of(this.#stock.run));
    const models = tiers.map(({ model }) => model);
    const wikitext = await this.#wikitext?.finish(base, models);
    return this.#runs.map(({ free, forced, rounded }, i) => {
      const tier = tiers[i]!;
      const own = finite(of(free), tier.model);
      return this.#evaluation(tier, {
        free: own,
        forced: forced === null ? own : finite(of(forced), tier.model),
        rounded: rounded && withoutNoise(of(rounded)),
        stock,
        wikitext: wikitext ? finite(wikitext[i]!, tier.model) : null,
      });
    });
  }

  #evaluation(
    { predicted, limits }: EvaluatedTier,
    { free, forced, rounded, stock, wikitext }: TierDivergences,
  ): Evaluation {
    const { rows, record } = this.#rows;
    const { length, samples } = rows;
    const all = [...Array(samples).keys()];
    const forcedRows = all.slice(0, forced.divergence.length / length);
    const forcedKl = rowMeans(forced.divergence, forcedRows, length);
    const figures = { ...figuresOf(free, all, length), ...routersOf(free) };
    return {
      rows: { source: record.source, sha256: rows.sha256, samples, length },
      ...figures,
      ...quantilesOf(free),
      forcedPositions: forced.divergence.length,
      forcedMeanKl: shorten(mean(forcedKl)),
      forcedMeanKlError: errorOverRows(forcedKl),
      byDomain: rowsByDomain(rows).map(([domain, ofDomain]) => ({
        domain,
        ...figuresOf(free, ofDomain, length),
      })),
      byLayer: layersOf(free),
      predicted: predicted && { forcedKl: shorten(predicted.forcedKl), kl: shorten(predicted.kl) },
      rounded: roundedFigures(rounded, length),
      stock: this.#stockFigures(stock, length),
      ...(wikitext && { wikitext: this.#wikitext!.figures(wikitext) }),
      gates: judge(figures, limits),
    };
  }

  #stockFigures(found: Divergence, length: number): Evaluation["stock"] {
    const figures = roundedFigures(found, length);
    const { bytes, fileBpw } = this.#stock;
    return figures && { bytes, fileBpw, ...figures };
  }
}

/** What the evaluation of one tier needs of its runs. */
interface TierDivergences {
  readonly free: Divergence;
  readonly forced: Divergence;
  readonly rounded: Divergence | null;
  readonly stock: Divergence;
  /** null: its text was not given. */
  readonly wikitext: Divergence | null;
}

/** Figures of plain rounding at the tier's plan; null if they are not finite. */
function roundedFigures(found: Divergence | null, length: number): Evaluation["rounded"] {
  if (found === null || !isSound(found)) return null;
  const rows = [...Array(found.divergence.length / length).keys()];
  return { ...figuresOf(found, rows, length), ...routersOf(found) };
}

/** The rows with every so many-th one first, so that these are a part of the memory of all. */
function sparseFirst(rows: Rows, every: number): Rows {
  if (every === 1) return rows;
  const { length, samples } = rows;
  const numbers = [...Array(samples).keys()];
  const order = [
    ...numbers.filter((row) => row % every === 0),
    ...numbers.filter((row) => row % every !== 0),
  ];
  const ids = sharedIntegers(rows.ids.length);
  for (const [i, row] of order.entries())
    ids.set(rows.ids.subarray(row * length, (row + 1) * length), i * length);
  return { ...rows, ids, rows: order.map((row) => rows.rows[row]!) };
}

export interface EvaluateRequest {
  readonly base: Base;
  readonly rows: EvaluationRows;
  readonly tiers: readonly (EvaluatedTier & { readonly rounded: boolean })[];
  readonly kernel: Kernel;
  readonly report: Pick<Report, "tick">;
  readonly keep?: KeepStates | undefined;
}

/**
 * Compares finished tiers, as stored, with their base: with free routes, as users run them, and
 * with forced routes (the tier follows the base's choice of experts). Each weight of the base is
 * read once for all tiers. Throws BAD_CHECKPOINT for weights of the base that are not finite, and
 * for figures that are not.
 */
export async function evaluateTiers(request: EvaluateRequest): Promise<readonly Evaluation[]> {
  const { base, rows, tiers, kernel, report, keep } = request;
  const { architecture, config } = base;
  const kept = keepWeights({ architecture, config, weights: finiteWeights(base, kernel) });
  const model = { architecture, config, weights: kept, ops: new Ops(kernel) };
  const rounded = tiers.map((tier) => (tier.rounded ? tier.model.tensors : null));
  const hasRouters = architecture.experts(config) !== null;
  const stock = stockQuant(base);
  const ride = new EvaluationRide({ rows, rounded, stock, hasRouters, kernel, keep });
  const riders = ride.base.length + ride.tiers.reduce((sum, some) => sum + some.length, 0);
  const total = riders * architecture.layers(config).length;
  let done = 0;
  const rides = tiers.map((tier, i) => ({ model: tier.model, riders: ride.tiers[i]! }));
  const progress = (passed: number) => {
    done += passed;
    report.tick(done, total, "blocks evaluated");
  };
  await withReadAhead({ weights: kept, tensors: base.tensors }, (weights) =>
    rideAll([{ model: { ...model, weights }, riders: ride.base }, ...rides], { progress }),
  );
  return ride.finish(model, tiers);
}

function quantilesOf({ divergence }: Divergence) {
  const at = (share: number) => shorten(quantile(divergence, share));
  return { medianKl: at(0.5), p99Kl: at(0.99), p999Kl: at(0.999), maxKl: at(1) };
}

/** Row numbers of each domain. */
function rowsByDomain({ rows, domains }: Rows): [domain: string, rows: number[]][] {
  return Object.keys(domains).map((domain) => [
    domain,
    [...rows.keys()].filter((row) => rows[row]!.domain === domain),
  ]);
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
