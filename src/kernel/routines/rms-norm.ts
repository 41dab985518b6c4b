import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyIn, copyRowsIn, copyRowsOut, Layout, rowsOfSlab } from "../arena.ts";
import { bytesOf, checkMatrix, type Matrix } from "../matrix.ts";
import type { Routine } from "../routine.ts";
import { struct } from "../struct.ts";

/** y = x · weight / √(mean of x² + eps) by row: root-mean-square norm. */
export interface RmsNormJob {
  readonly x: Matrix;
  /** `[columns]` */
  readonly weight: Float32Array<SharedArrayBuffer>;
  readonly eps: number;
  /** Overwritten: as x, or x itself. */
  readonly y: Matrix;
}

export const NormCall = struct({
  data: "usize",
  rows: "usize",
  columns: "usize",
  weight: "usize",
  width: "usize",
  eps: "f32",
});

export const rmsNorm: Routine<RmsNormJob, void> = {
  describe: ({ x }) => `norm of ${x.rows}x${x.columns}`,
  check({ x, weight, y }, fail) {
    checkMatrix("x", x, [x.rows, x.columns], fail);
    checkMatrix("y", y, [x.rows, x.columns], fail);
    if (weight.length !== x.columns) fail(`${weight.length} weights for ${x.columns} columns`);
  },
  run({ x, weight, eps, y }) {
    const { rows, columns } = x;
    const slab = rowsOfSlab(rows, 4 * columns);
    const layout = new Layout();
    const [atRows, atWeight] = [layout.place(4 * slab * columns), layout.place(4 * columns)];
    const atCall = layout.place(NormCall.bytes);
    const base = layout.claim();
    const call = { data: base + atRows, weight: base + atWeight, columns, width: columns, eps };
    copyIn(base + atWeight, bytesOf(weight), 0, 4 * columns);
    for (let top = 0; top < rows; top += slab) {
      const bottom = Math.min(rows, top + slab);
      copyRowsIn(base + atRows, x, top, bottom);
      NormCall.write(base + atCall, { ...call, rows: bottom - top });
      wasm.rms_norm(base + atCall);
      copyRowsOut(base + atRows, y, top, bottom);
    }
  },
};
