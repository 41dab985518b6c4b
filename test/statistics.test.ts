import { describe, expect, test } from "vitest";
import { means, medians, pairedRatio, uniform } from "../bench/statistics.ts";
import { deviation, median, standardError } from "../src/evaluation/statistics.ts";

/**
 * Rows of a skewed measurement under two methods. Each row has its own level, and the second method
 * is better by `factor`.
 */
function measured(rows: number, factor: number, noise: number) {
  const random = uniform(7);
  const theirs = Array.from({ length: rows }, () => {
    const level = 1 + 4 * random() ** 3;
    return Float64Array.from({ length: 50 }, () => level * random() ** 2);
  });
  const ours = theirs.map((row) =>
    row.map((value) => factor * value * (1 + noise * (random() - 0.5))),
  );
  return { ours, theirs };
}

describe("statistics of the benchmarks", () => {
  test("medians, deviation and standard error of known samples", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(deviation([2, 4, 4, 4, 5, 5, 7, 9])).toBeCloseTo(Math.sqrt(32 / 7), 12);
    expect(standardError([2, 4, 4, 4, 5, 5, 7, 9])).toBeCloseTo(Math.sqrt(32 / 7 / 8), 12);
    expect(means([Float64Array.of(1, 2), Float64Array.of(6)])).toBe(3);
    expect(medians([Float64Array.of(1, 9), Float64Array.of(2, 3, 8)])).toBe(3);
  });

  test("a constant factor has no error, because rows are paired", () => {
    const { ours, theirs } = measured(40, 0.5, 0);
    for (const summary of [means, medians]) {
      const { ratio, error } = pairedRatio(ours, theirs, summary);
      expect(ratio).toBeCloseTo(0.5, 12);
      expect(error).toBeLessThan(1e-12);
    }
  });

  test("the error is that of the row sample, and is the same in every run", () => {
    const { ours, theirs } = measured(60, 0.7, 1.5);
    const found = pairedRatio(ours, theirs);
    // By linearization of a ratio of means over rows.
    const [x, y] = [ours, theirs].map((rows) => rows.map((row) => means([row]))) as [
      number[],
      number[],
    ];
    const residuals = x.map((value, i) => value - found.ratio * y[i]!);
    const expected = standardError(residuals) / (y.reduce((sum, value) => sum + value) / y.length);
    expect(found.error / expected).toBeGreaterThan(0.85);
    expect(found.error / expected).toBeLessThan(1.15);
    expect(pairedRatio(ours, theirs)).toEqual(found);
  });

  test("refuses samples of different rows", () => {
    const { ours, theirs } = measured(4, 1, 0);
    expect(() => pairedRatio(ours.slice(1), theirs)).toThrow("got 3 and 4");
  });
});
