import { deviation, mean, median } from "../src/evaluation/statistics.ts";

/** Statistics of paired measurements: divergences of the same evaluation rows under two methods. */

/** One measurement per position of every evaluation row, `[rows][length]`. */
export type Rows = readonly Float64Array[];

/** The summary of the positions of the drawn rows: `means` or `medians`. */
export type Summary = (rows: Rows) => number;

/** Mean over all positions. */
export const means: Summary = (rows) => {
  let [sum, count] = [0, 0];
  for (const row of rows) {
    sum += mean(row) * row.length;
    count += row.length;
  }
  return sum / count;
};

/** Median over all positions. */
export const medians: Summary = (rows) => {
  const all = new Float64Array(rows.reduce((sum, row) => sum + row.length, 0));
  let at = 0;
  for (const row of rows) {
    all.set(row, at);
    at += row.length;
  }
  return median(all);
};

/** Draws of the bootstrap. */
const draws = 400;

export interface Ratio {
  readonly ratio: number;
  /** Standard deviation of the ratio over the draws of the bootstrap. */
  readonly error: number;
}

/**
 * `summary(ours) / summary(theirs)`, and its error by a paired bootstrap. Rows are drawn with
 * replacement, the same rows for both. Positions of a row depend on each other, and two methods err
 * on the same rows (Efron & Tibshirani 1993, chapter 6). The seed is fixed.
 */
export function pairedRatio(ours: Rows, theirs: Rows, summary: Summary = means): Ratio {
  if (ours.length !== theirs.length || ours.length < 2) {
    throw new RangeError(
      `expected the same rows of two methods, 2 or more; got ${ours.length} and ${theirs.length}`,
    );
  }
  const random = uniform(1);
  const ratios = Float64Array.from({ length: draws }, () => {
    const drawn = ours.map(() => Math.floor(random() * ours.length));
    return summary(drawn.map((row) => ours[row]!)) / summary(drawn.map((row) => theirs[row]!));
  });
  return { ratio: summary(ours) / summary(theirs), error: deviation(ratios) };
}

/** Numbers in [0, 1) from a seed: SplitMix32. */
export function uniform(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let x = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
    return ((x ^ (x >>> 15)) >>> 0) / 2 ** 32;
  };
}
