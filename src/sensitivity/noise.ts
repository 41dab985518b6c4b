import { scramble } from "../calibration/random.ts";
import { type Matrix, newMatrix, rowsOf, sharedFloats, sharedIntegers } from "../kernel/matrix.ts";
import type { Ops } from "../models/ops.ts";

/**
 * A copy of hidden states with noise added. `relative`: power of a row's noise relative to the mean
 * power of a row. The noise depends on `seed` alone.
 */
export async function withNoise(
  ops: Ops,
  x: Matrix,
  relative: number,
  seed: number,
): Promise<Matrix> {
  const noise = newMatrix(x.rows, x.columns);
  fillGaussian(noise.data, seed);
  const mean = sum(await rowPowers(ops, x)) / x.rows;
  const numbers = sharedIntegers(x.rows);
  for (let i = 0; i < numbers.length; i++) numbers[i] = i;
  const weights = sharedFloats(x.rows).fill(Math.sqrt((relative * mean) / x.columns));
  const y = newMatrix(x.rows, x.columns);
  y.data.set(x.data);
  await ops.accumulate(y, numbers, weights, noise);
  return y;
}

/** Nearly Gaussian numbers of variance 1 from a hash of the place: the same on every machine. */
function fillGaussian(values: Float32Array, seed: number): void {
  const uniform = (i: number) => {
    const bits = scramble(Math.imul(i + 1, 0x9e3779b9) ^ Math.imul(seed + 1, 0x7feb352d));
    return (bits + 0.5) / 2 ** 32;
  };
  for (let i = 0; i < values.length; i++) {
    // A sum of twelve uniform numbers. Only basic operations give the same bits on every platform.
    let sum = -6;
    for (let k = 0; k < 12; k++) sum += uniform(12 * i + k);
    values[i] = sum;
  }
}

/** Σ x² of each row. */
export function rowPowers(ops: Ops, x: Matrix): Promise<Float64Array> {
  return squaredDistances(ops, x, newMatrix(x.rows, x.columns));
}

/** Σ (x - y)² of each row. */
export async function squaredDistances(ops: Ops, x: Matrix, y: Matrix): Promise<Float64Array> {
  const out = new Float64Array(new SharedArrayBuffer(8 * x.rows));
  await ops.shareOut(x.rows, (start, end) =>
    ops.kernel.run("distances", {
      x: rowsOf(x, start, end),
      y: rowsOf(y, start, end),
      out: out.subarray(start, end),
    }),
  );
  return out;
}

export function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}
