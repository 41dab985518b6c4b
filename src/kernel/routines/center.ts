import { checkMatrix, type Matrix } from "../matrix.ts";
import type { Routine } from "../routine.ts";

/** Subtracts the mean row from every row and multiplies every column by its factor, in place. */
export interface CenterJob {
  /** `[rows, columns]`, small enough for one job. */
  readonly x: Matrix;
  /** `[columns]` */
  readonly factors: Float32Array<SharedArrayBuffer>;
}

/** Returns the sum of the squares of the result. */
export const center: Routine<CenterJob, { readonly squares: number }> = {
  describe: ({ x }) => `centering of ${x.rows}x${x.columns}`,
  check({ x, factors }, fail) {
    checkMatrix("x", x, [x.rows, x.columns], fail);
    if (factors.length !== x.columns) fail(`${factors.length} factors for ${x.columns} columns`);
  },
  run({ x: { data, rows, columns }, factors }) {
    const means = new Float64Array(columns);
    for (let i = 0; i < data.length; i++) means[i % columns]! += data[i]! / rows;
    let squares = 0;
    for (let i = 0; i < data.length; i++) {
      data[i] = factors[i % columns]! * (data[i]! - means[i % columns]!);
      squares += data[i]! * data[i]!;
    }
    return { squares };
  },
};
