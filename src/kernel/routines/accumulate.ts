import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyIn, copyRectangleIn, copyRowsIn, Layout, rowsOfSlab, scatterRows } from "../arena.ts";
import { bytesOf, checkMatrix, checkRows, type Matrix } from "../matrix.ts";
import type { Routine } from "../routine.ts";

/** Row `rows[i]` of y += `weights[i]` · row i of x, product and sum rounded once. */
export interface AccumulateJob {
  readonly x: Matrix;
  /** No row twice. */
  readonly rows: Uint32Array<SharedArrayBuffer>;
  readonly weights: Float32Array<SharedArrayBuffer>;
  /** Changed. No other job may touch the same rows meanwhile. */
  readonly y: Matrix;
}

export const accumulate: Routine<AccumulateJob, void> = {
  describe: ({ x, y }) => `sum of ${x.rows}x${x.columns} into ${y.rows} rows`,
  check({ x, rows, weights, y }, fail) {
    checkMatrix("x", x, [rows.length, y.columns], fail);
    checkMatrix("y", y, [y.rows, y.columns], fail);
    if (weights.length !== rows.length) fail(`${weights.length} weights for ${rows.length} rows`);
    checkRows(rows, y, fail);
  },
  run({ x, rows, weights, y }) {
    const { columns } = y;
    const slab = rowsOfSlab(rows.length, 4 * columns);
    const layout = new Layout();
    const [atX, atY] = [layout.place(4 * slab * columns), layout.place(4 * slab * columns)];
    const atWeights = layout.place(4 * slab);
    const base = layout.claim();
    for (let top = 0; top < rows.length; top += slab) {
      const bottom = Math.min(rows.length, top + slab);
      copyRowsIn(base + atX, x, top, bottom);
      copyRectangleIn(base + atY, { ...y, rows, top, bottom, left: 0, right: columns });
      copyIn(base + atWeights, bytesOf(weights), 4 * top, 4 * bottom);
      wasm.add_weighted(base + atY, base + atX, base + atWeights, bottom - top, columns);
      scatterRows(base + atY, y, rows.subarray(top, bottom));
    }
  },
};
