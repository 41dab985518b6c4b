// All in float64. Sums are in the order of the values: the same values give the same result.

/** The middle value; of an even count the mean of the two in the middle. */
export function median(values: ArrayLike<number>): number {
  return quantile(values, 0.5);
}

/**
 * The value below which a share of all values lies. Interpolates linearly, as numpy does by default
 * (type 7 of Hyndman & Fan 1996).
 */
export function quantile(values: ArrayLike<number>, share: number): number {
  const sorted = Float64Array.from(values).sort();
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const [low, high] = [sorted[below]!, sorted[Math.min(below + 1, sorted.length - 1)]!];
  return at === below ? low : low + (at - below) * (high - low);
}

export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
}

/** Standard deviation of a sample (n - 1). */
export function deviation(values: ArrayLike<number>): number {
  const centre = mean(values);
  const squares = Float64Array.from(values, (value) => (value - centre) ** 2);
  return Math.sqrt((mean(squares) * values.length) / (values.length - 1));
}

/** Standard error of the mean of independent values; NaN for a single one. */
export function standardError(values: ArrayLike<number>): number {
  return deviation(values) / Math.sqrt(values.length);
}
