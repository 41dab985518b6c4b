import type { Matrix } from "../matrix.ts";
import type { Routine } from "../routine.ts";

/**
 * Sets rows with NaN or infinite activations to zero: one infinity would make a whole Hessian
 * useless.
 */
export interface ScreenJob {
  /** `[tokens, width]`; rows with NaN or infinite values become zeros. */
  readonly x: Matrix;
}

export const screen: Routine<ScreenJob, { readonly dropped: number }> = {
  describe: ({ x }) => `screening of ${x.rows}x${x.columns}`,
  check({ x }, fail) {
    if (x.data.length !== x.rows * x.columns)
      fail(`${x.data.length} elements for ${x.rows}x${x.columns}`);
  },
  run({ x: { data, rows, columns } }) {
    let dropped = 0;
    for (let row = 0; row < rows; row++) {
      const values = data.subarray(row * columns, (row + 1) * columns);
      // A float64 sum of float32 values cannot overflow: it is finite only if all of them are.
      let sum = 0;
      for (let i = 0; i < columns; i++) sum += Math.abs(values[i]!);
      if (Number.isFinite(sum)) continue;
      values.fill(0);
      dropped++;
    }
    return { dropped };
  },
};
