import type { Evaluation, Receipt, TuningRecord } from "./receipt.ts";

/** What is known of a tier only after its weights were made. */
export type Measured = Pick<
  Receipt,
  "files" | "weightError" | "tuning" | "evaluation" | "warnings"
>;

/**
 * The part of a receipt that is known before any weight is read. The same recipe gives the same
 * files.
 */
export type Recipe = Omit<Receipt, keyof Measured | "otherTiers">;

/**
 * A recipe before anything was measured of the base. The plan follows from it: the same draft gives
 * the same recipe.
 */
export type Draft = Omit<Recipe, "plan" | "series" | "sensitivity">;

/** Digits of a measured ratio on the receipt: more than anybody reads, few enough to read. */
const digits = 6;

/**
 * Completes a recipe with what the run measured of this tier; ratios are rounded to six significant
 * digits.
 */
export function completeReceipt(recipe: Recipe, { tuning, ...measured }: Measured): Receipt {
  return {
    ...recipe,
    ...measured,
    tuning: tuning === null ? null : roundRatios(tuning),
    otherTiers: [],
  };
}

/**
 * A record of a tier that is still to be tuned, for the rehearsal of its card; null where it will
 * not be.
 */
export function blankTuning({
  options,
  model,
}: Pick<Recipe, "options" | "model">): TuningRecord | null {
  if (options.method !== "tuned") return null;
  const experts =
    model.experts === null ? null : { experts: 0, min: 0, median: 0, unseen: 0, belowWidth: 0 };
  return {
    experts,
    droppedRows: 0,
    repair: { routers: null, aimed: null, moved: null },
    kinds: {},
    modules: {},
  };
}

/** A proof of a tier that is still to be measured, likewise; null where it will not be. */
export function blankEvaluation({
  evaluationRows,
  model,
}: Pick<Recipe, "evaluationRows" | "model">): Evaluation | null {
  if (evaluationRows === null) return null;
  const { source, sha256, samples, length, domains } = evaluationRows;
  const none = { meanKl: 0, meanKlError: 0, sameTop: 1 };
  const same = { perplexity: 1, basePerplexity: 1, perplexityRatio: 1, perplexityRatioError: 0 };
  const figures = (rows: number) => ({ positions: rows * length, ...none, ...same });
  const router = { routerAgreement: 1, exactRoutes: 1 };
  const routers = model.experts === null ? { routerAgreement: null, exactRoutes: null } : router;
  return {
    rows: { source, sha256, samples, length },
    ...figures(samples),
    ...{ medianKl: 0, p99Kl: 0, p999Kl: 0, maxKl: 0, forcedMeanKl: 0, forcedMeanKlError: 0 },
    ...routers,
    byDomain: Object.entries(domains).map(([domain, rows]) => ({ domain, ...figures(rows) })),
    byLayer: model.experts === null ? [] : [{ layer: 0, ...router }],
    predicted: null,
    rounded: { ...figures(samples), ...routers },
    gates: [],
  };
}

/** Without what is measured of the base, and what follows from that. */
export function draftOf(recipe: Draft | Recipe): Draft {
  const {
    plan: _p,
    series: _s,
    sensitivity: _m,
    ...draft
  } = { plan: null, series: null, sensitivity: null, ...recipe };
  return draft;
}

function roundRatios({ experts, repair, kinds, modules, ...rest }: TuningRecord): TuningRecord {
  return {
    ...rest,
    experts: experts === null ? null : { ...experts, belowWidth: rounded(experts.belowWidth) },
    repair: {
      aimed: repair.aimed,
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

/** NaN and infinities stay what they are, for the writer to refuse. */
function rounded(value: number): number {
  return Number(value.toPrecision(digits));
}

function mapValues<T>(
  record: Readonly<Record<string, T>>,
  map: (value: T) => T,
): Record<string, T> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
