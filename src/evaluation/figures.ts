import type { Divergence } from "./divergence.ts";
import type { Figures, MeanRouterFigures, RouterFigures } from "./evaluation-types.ts";
import { mean, standardError } from "./statistics.ts";

/** Significant digits of a measured number. */
const digits = 6;

/** The value with six significant digits. NaN and infinities are unchanged. */
export function shorten(value: number): number {
  return Number(value.toPrecision(digits));
}

/** The standard error over rows of equal length; null for a single row. */
export function errorOverRows(values: Float64Array): number | null {
  return values.length < 2 ? null : shorten(standardError(values));
}

/** The mean of each of some rows, without positions that hold NaN (the last has no next token). */
export function rowMeans(
  values: Float64Array,
  rows: readonly number[],
  length: number,
): Float64Array {
  return Float64Array.from(rows, (row) =>
    mean(values.subarray(row * length, (row + 1) * length).filter((value) => !Number.isNaN(value))),
  );
}

/**
 * Figures of some rows, all of `length` positions. Perplexity is exp of the mean negative
 * log-probability of the next token. The ratio of perplexities is exp(m), where m is the mean over
 * rows of the row's mean log-probability under the base minus that under the model. Rows are
 * paired, because both models find the same rows hard. The error is exp(m) · standard error of m
 * (delta method).
 */
export function figuresOf(
  { divergence, base, model, sameTop }: Divergence,
  rows: readonly number[],
  length: number,
): Figures {
  const kl = rowMeans(divergence, rows, length);
  const [ofBase, ofModel] = [rowMeans(base, rows, length), rowMeans(model, rows, length)];
  const losses = ofBase.map((value, i) => value - ofModel[i]!);
  const ratio = Math.exp(mean(losses));
  const lossError = losses.length < 2 ? null : standardError(losses);
  return {
    positions: rows.length * length,
    meanKl: shorten(mean(kl)),
    meanKlError: errorOverRows(kl),
    sameTop: shorten(mean(rowMeans(Float64Array.from(sameTop), rows, length))),
    perplexity: shorten(Math.exp(-mean(ofModel))),
    basePerplexity: shorten(Math.exp(-mean(ofBase))),
    perplexityRatio: shorten(ratio),
    perplexityRatioError: lossError === null ? null : shorten(ratio * lossError),
  };
}

/** Figures of each layer that has a router, ascending. */
export function layersOf({
  routerAgreement,
  exactRoutes,
}: Divergence): (RouterFigures & { layer: number })[] {
  return [...routerAgreement.keys()]
    .sort((a, b) => a - b)
    .map((layer) => ({
      layer,
      routerAgreement: shorten(routerAgreement.get(layer)!),
      exactRoutes: shorten(exactRoutes.get(layer)!),
    }));
}

/** Means over the layers; null without routers. */
export function routersOf({ routerAgreement, exactRoutes }: Divergence): MeanRouterFigures {
  if (routerAgreement.size === 0) return { routerAgreement: null, exactRoutes: null };
  return {
    routerAgreement: shorten(mean([...routerAgreement.values()])),
    exactRoutes: shorten(mean([...exactRoutes.values()])),
  };
}
