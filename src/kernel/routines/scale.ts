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
    if (factors.length !== x.columns) fail(`${factors.length} factors for ${x.columns} columns`);
  },
  run({ x: { data, rows, columns }, factors }) {
    for (let row = 0; row < rows; row++) {
      for (let i = 0; i < columns; i++) data[row * columns + i]! *= factors[i]!;
    }
  },
};

/** y = √weight · x by row, so that each row counts `weight` times in second moments. */
export interface WeighJob {
  /** `[rows, columns]` */
  readonly x: Matrix;
  /** `[rows, kinds]`, not negative. */
  readonly weights: Matrix;
  /** Column of `weights` to use. Null: the sum of all columns. */
  readonly kind: number | null;
  /** Overwritten: `[rows, columns]`. */
  readonly y: Matrix;
  /** The sums over the rows before. */
  readonly before: WeightSums;
}

/** Sums of weights and of their squares. */
interface WeightSums {
  readonly sum: number;
  readonly squares: number;
}

/** Returns the sums up to the last row. */
export const weigh: Routine<WeighJob, WeightSums> = {
  describe: ({ x }) => `weighting of ${x.rows}x${x.columns}`,
  check({ x, weights, kind, y }, fail) {
    if (weights.rows !== x.rows || (kind ?? 0) >= weights.columns)
      fail(`weights are ${weights.rows}x${weights.columns}`);
    if (y.rows !== x.rows || y.columns !== x.columns) fail(`the output is ${y.rows}x${y.columns}`);
  },
  run({ x: { data, rows, columns }, weights, kind, y, before }) {
    let { sum, squares } = before;
    for (let row = 0; row < rows; row++) {
      const own = weights.data.subarray(row * weights.columns, (row + 1) * weights.columns);
      const weight = kind === null ? own.reduce((total, value) => total + value, 0) : own[kind]!;
      const root = Math.sqrt(weight);
      sum += weight;
      squares += weight * weight;
      for (let i = 0; i < columns; i++) y.data[row * columns + i] = root * data[row * columns + i]!;
    }
    return { sum, squares };
  },
};
