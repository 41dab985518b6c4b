import type { Matrix } from "../matrix.ts";
import type { Routine } from "../routine.ts";

/** Multiplies every column by its factor, in place. */
export interface ScaleJob {
  /** `[rows, columns]` */
  readonly x: Matrix;
  /** `[columns]` */
  readonly factors: Float32Array<SharedArrayBuffer>;
}

export const scale: Routine<ScaleJob, void> = {
  describe: ({ x }) => `scaling of ${x.rows}x${x.columns}`,
  check({ x, factors }, fail) {
    if (factors.length !== x.columns) fail(`${factors.length} factors`);
  },
  run({ x: { data, rows, columns }, factors }) {
    for (let row = 0; row < rows; row++) {
      for (let i = 0; i < columns; i++) data[row * columns + i]! *= factors[i]!;
    }
  },
};
