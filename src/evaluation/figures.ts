import type { Divergence } from "./divergence.ts";
import type { Figures, MeanRouterFigures, RouterFigures } from "./evaluation-types.ts";
import { mean, standardError } from "./statistics.ts";

/** Digits of a measured number: more than anybody reads, few enough to read. */
const digits = 6;

/** To six significant digits. NaN and infinities stay what they are. */
export function rounded(value: number): number {
  return Number(value.toPrecision(digits));
}

/** The standard error over rows of equal length; null of one row. */
export function errorOverRows(values: Float64Array): number | null {
  return values.length < 2 ? null : rounded(standardError(values));
}

/** Means over the positions of each of some rows; positions that hold NaN (the last one's next token) do not count. */
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
 * Figures of some rows, all of `length` positions. Perplexity is exp of the mean negative log-probability of the next token. The
 * ratio of perplexities is exp(m), m = mean over rows of the row's mean log-probability under the base less that under the model:
 * paired by row, for both models find the same rows hard; its error by the delta method, exp(m) · standard error of m.
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
    meanKl: rounded(mean(kl)),
    meanKlError: errorOverRows(kl),
    sameTop: rounded(mean(rowMeans(Float64Array.from(sameTop), rows, length))),
    perplexity: rounded(Math.exp(-mean(ofModel))),
    basePerplexity: rounded(Math.exp(-mean(ofBase))),
    perplexityRatio: rounded(ratio),
    perplexityRatioError: lossError === null ? null : rounded(ratio * lossError),
  };
}

/** Routers of each layer that has one, ascending. */
export function layersOf({
  routerAgreement,
  exactRoutes,
}: Divergence): (RouterFigures & { layer: number })[] {
  return [...routerAgreement.keys()]
    .sort((a, b) => a - b)
    .map((layer) => ({
      layer,
      routerAgreement: rounded(routerAgreement.get(layer)!),
      exactRoutes: rounded(exactRoutes.get(layer)!),
    }));
}

/** Means over the layers; null without routers. */
export function routersOf({ routerAgreement, exactRoutes }: Divergence): MeanRouterFigures {
  if (routerAgreement.size === 0) return { routerAgreement: null, exactRoutes: null };
  return {
    routerAgreement: rounded(mean([...routerAgreement.values()])),
    exactRoutes: rounded(mean([...exactRoutes.values()])),
  };
}
