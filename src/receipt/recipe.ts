import { createHash } from "node:crypto";
import type { CalibrationRecord, Evaluation, Receipt, TuningRecord } from "./receipt.ts";

/** The fields of a receipt that are known only after the weights were made. */
export type Measured = Pick<
  Receipt,
  "files" | "weightError" | "tuning" | "evaluation" | "verifiedBase" | "warnings"
>;

/**
 * The part of a receipt that is known before any weight is read. The same recipe gives the same
 * files.
 */
export type Recipe = Omit<Receipt, keyof Measured | "otherTiers">;

/**
 * A recipe before the base was measured. The plan follows from the draft: the same draft gives the
 * same recipe.
 */
export type Draft = Omit<Recipe, "plan" | "series" | "sensitivity">;

/** The recipe that a receipt was made from. */
export function recipeOf(receipt: Receipt): Recipe {
  const {
    files: _f,
    weightError: _w,
    tuning: _t,
    evaluation: _e,
    warnings: _a,
    otherTiers: _o,
    verifiedBase: _v,
    ...recipe
  } = receipt;
  return recipe;
}

/** Names a recipe: the first 16 hexadecimal digits of its SHA-256, without versions. */
export function digestOf(recipe: Recipe): string {
  return digest({ ...recipe, engine: recipe.engine.recipe });
}

/** Names what a recipe follows from (draftOf), in the same way. */
export function draftDigestOf(recipe: Draft | Recipe): string {
  return digest(draftOf(recipe));
}

function digest(value: unknown): string {
  return createHash("sha256").update(sortedJson(value)).digest("hex").slice(0, 16);
}

/** JSON with the keys of every object in order: a receipt that was read back has another order. */
function sortedJson(value: unknown): string {
  const sorted = (_: string, one: unknown) =>
    typeof one === "object" && one !== null && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
      : one;
  return JSON.stringify(value, sorted);
}

/** Significant digits of a measured ratio. */
const digits = 6;

/**
 * Completes a recipe with the results of this tier. Ratios are rounded to six significant digits.
 */
export function completeReceipt(recipe: Recipe, { tuning, ...measured }: Measured): Receipt {
  return {
    ...recipe,
    ...measured,
    tuning: tuning === null ? null : roundRatios(tuning),
    otherTiers: [],
  };
}

const noTokens = { unseen: 0, belowColumns: 0, tokens: [] };

/**
 * A blank tuning record, for the rehearsal of a card before the tier is tuned; null if it will not
 * be tuned.
 */
export function blankTuning({
  options,
  model,
}: Pick<Recipe, "options" | "model">): TuningRecord | null {
  if (options.method !== "tuned") return null;
  const experts = model.experts === null ? null : { ...noTokens, experts: 0, min: 0, median: 0 };
  return {
    experts,
    droppedRows: 0,
    repair: { routers: null, routerAware: null, moved: null },
    kinds: {},
    modules: {},
  };
}

/** A blank evaluation, for the same rehearsal; null if no evaluation was asked for. */
export function blankEvaluation({
  evaluationRows,
  wikitextRows,
  model,
}: Pick<Recipe, "evaluationRows" | "wikitextRows" | "model">): Evaluation | null {
  if (evaluationRows === null) return null;
  const { samples, length, domains } = evaluationRows;
  const none = { meanKl: 0, meanKlError: 0, sameTop: 1 };
  const same = { perplexity: 1, basePerplexity: 1, perplexityRatio: 1, perplexityRatioError: 0 };
  const figures = (rows: number) => ({ positions: rows * length, ...none, ...same });
  const router = { routerAgreement: 1, exactRoutes: 1 };
  const routers = model.experts === null ? { routerAgreement: null, exactRoutes: null } : router;
  return {
    rows: identityOf(evaluationRows),
    ...figures(samples),
    ...{ medianKl: 0, p99Kl: 0, p999Kl: 0, maxKl: 0 },
    ...{ forcedPositions: samples * length, forcedMeanKl: 0, forcedMeanKlError: 0 },
    ...routers,
    byDomain: Object.entries(domains).map(([domain, rows]) => ({ domain, ...figures(rows) })),
    byLayer: model.experts === null ? [] : [{ layer: 0, ...router }],
    predicted: null,
    rounded: { ...figures(samples), ...routers },
    stock: { bytes: 1, fileBpw: 4.5, ...figures(samples), ...routers },
    ...(wikitextRows && {
      wikitext: {
        rows: identityOf(wikitextRows),
        ...figures(samples),
        ...{ medianKl: 0, p99Kl: 0, maxKl: 0 },
      },
    }),
    gates: [],
  };
}

function identityOf({ source, sha256, samples, length }: CalibrationRecord) {
  return { source, sha256, samples, length };
}

/**
 * What two runs have to agree on to give the same bytes: the recipe without the sensitivity of the
 * base and the plans that follow from it, and of the engine the recipe version alone. What a card
 * says of the model follows from base and engine, and gives no other weights.
 */
export function draftOf(recipe: Draft | Recipe): ComparedDraft {
  const {
    plan: _p,
    series: _s,
    sensitivity: _m,
    model: _o,
    usage: _u,
    ...draft
  } = { plan: null, series: null, sensitivity: null, ...recipe };
  return { ...draft, engine: draft.engine.recipe };
}

export type ComparedDraft = Omit<Draft, "engine" | "model" | "usage"> & {
  readonly engine: number;
};

function roundRatios({ experts, repair, kinds, modules, ...rest }: TuningRecord): TuningRecord {
  return {
    ...rest,
    experts: experts === null ? null : { ...experts, belowColumns: rounded(experts.belowColumns) },
    repair: {
      routerAware: repair.routerAware,
      moved: repair.moved,
      routers:
        repair.routers?.map((router) => ({
          ...router,
          ratio: router.ratio && rounded(router.ratio),
        })) ?? null,
    },
    kinds: mapValues(kinds, (kind) => ({ ...kind, ratio: rounded(kind.ratio) })),
    modules: mapValues(modules, (module) => ({ ...module, ratio: rounded(module.ratio) })),
  };
}

/** Leaves NaN and infinities as they are: the writer refuses them. */
function rounded(value: number): number {
  return Number(value.toPrecision(digits));
}

function mapValues<T>(
  record: Readonly<Record<string, T>>,
  map: (value: T) => T,
): Record<string, T> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
