import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyOut, copyRowsIn, Layout, rowsOfSlab } from "../arena.ts";
import { checkMatrix, type Matrix } from "../matrix.ts";
import type { Routine } from "../routine.ts";

/** Σ (x - y)² of each row, in float64. */
export interface DistancesJob {
  readonly x: Matrix;
  readonly y: Matrix;
  /** Overwritten: `[rows]`. */
  readonly out: Float64Array<SharedArrayBuffer>;
}

export const distances: Routine<DistancesJob, void> = {
  describe: ({ x }) => `distances of ${x.rows}x${x.columns}`,
  check({ x, y, out }, fail) {
    checkMatrix("x", x, [out.length, x.columns], fail);
    checkMatrix("y", y, [x.rows, x.columns], fail);
  },
  run({ x, y, out }) {
    const { rows, columns } = x;
    const slab = rowsOfSlab(rows, 8 * columns);
    const layout = new Layout();
    const [atX, atY] = [layout.place(4 * slab * columns), layout.place(4 * slab * columns)];
    const atOut = layout.place(8 * slab);
    const base = layout.claim();
    const bytes = new Uint8Array(out.buffer, out.byteOffset, out.byteLength);
    for (let top = 0; top < rows; top += slab) {
      const bottom = Math.min(rows, top + slab);
      copyRowsIn(base + atX, x, top, bottom);
      copyRowsIn(base + atY, y, top, bottom);
      wasm.distances(base + atX, base + atY, bottom - top, columns, base + atOut);
      copyOut(base + atOut, bytes, 8 * top, 8 * bottom);
    }
  },
};
