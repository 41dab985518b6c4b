import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyIn, copyRowsIn, copyRowsOut, Layout, rowsOfSlab } from "../arena.ts";
import { bytesOf, checkMatrix, type Matrix } from "../matrix.ts";
import type { Routine } from "../routine.ts";

/** Multiplies every row of x by the sigmoid of its gate. */
export interface GateRowsJob {
  /** Changed. */
  readonly x: Matrix;
  /** `[rows, 1]`: logits. */
  readonly gates: Matrix;
}

export const gateRows: Routine<GateRowsJob, void> = {
  describe: ({ x }) => `gates of ${x.rows}x${x.columns}`,
  check({ x, gates }, fail) {
    checkMatrix("x", x, [x.rows, x.columns], fail);
    checkMatrix("gates", gates, [x.rows, 1], fail);
  },
  run({ x, gates }) {
    const { rows, columns } = x;
    const slab = rowsOfSlab(rows, 4 * columns);
    const layout = new Layout();
    const [atX, atGates] = [layout.place(4 * slab * columns), layout.place(4 * slab)];
    const base = layout.claim();
    for (let top = 0; top < rows; top += slab) {
      const bottom = Math.min(rows, top + slab);
      copyRowsIn(base + atX, x, top, bottom);
      copyIn(base + atGates, bytesOf(gates.data), 4 * top, 4 * bottom);
      wasm.gate_rows(base + atX, base + atGates, bottom - top, columns);
      copyRowsOut(base + atX, x, top, bottom);
    }
  },
};
