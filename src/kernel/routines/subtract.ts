import { checkMatrix, type Matrix } from "../matrix.ts";
import type { Routine } from "../routine.ts";

/** x = from − x, in place. */
export interface SubtractJob {
  readonly x: Matrix;
  readonly from: Matrix;
}

/** Returns the sum of the squared differences, in float64. */
export const subtract: Routine<SubtractJob, { readonly squares: number }> = {
  describe: ({ x }) => `difference of ${x.rows}x${x.columns}`,
  check({ x, from }, fail) {
    checkMatrix("x", x, [x.rows, x.columns], fail);
    checkMatrix("the other", from, [x.rows, x.columns], fail);
  },
  run({ x: { data }, from }) {
    let squares = 0;
    for (let i = 0; i < data.length; i++) {
      data[i] = from.data[i]! - data[i]!;
      squares += data[i]! * data[i]!;
    }
    return { squares };
  },
};
