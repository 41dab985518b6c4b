import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyTriangleIn, Layout, memory } from "../arena.ts";
import { checkMatrix, type Matrix } from "../matrix.ts";
import type { Routine } from "../routine.ts";
import { checkTriangle, rowOf } from "../triangle.ts";

/**
 * How a block of positions compensates for the errors of later positions. Positions are fixed from
 * the last to the first. With H = RᵀR, the best change of block B is R_BB⁻¹ R_BL e, where e are the
 * errors of the positions L after the block.
 */
export interface CompensationJob {
  /** R `[d, d]`, its upper triangle (triangle.ts). */
  readonly factor: Float32Array<SharedArrayBuffer>;
  readonly d: number;
  /** The block: positions `[top, bottom)`, bottom < d. */
  readonly top: number;
  readonly bottom: number;
  /** Overwritten: (R_BB⁻¹ R_BL)ᵀ `[d - bottom, bottom - top]`. */
  readonly out: Matrix;
}

export const compensation: Routine<CompensationJob, void> = {
  describe: ({ d, top, bottom }) => `compensation of positions ${top} to ${bottom} of ${d}`,
  check({ factor, d, top, bottom, out }, fail) {
    checkTriangle("the factor", factor, d, fail);
    if (!(top >= 0 && top < bottom && bottom < d))
      fail(`positions ${top} to ${bottom} of ${d}: expected a block with positions after it`);
    checkMatrix("the output", out, [d - bottom, bottom - top], fail);
  },
  run({ factor, d, top, bottom, out }) {
    const [n, later] = [bottom - top, d - bottom];
    const layout = new Layout();
    const [offsetOfBlock, offsetOfRows] = [layout.place(4 * n * n), layout.place(4 * n * later)];
    const base = layout.claim();
    // Solving RX = B equals solving RᵀX = B after reversing the rows and columns of the triangle
    // and the rows of B and X.
    const block = new Float32Array(memory.buffer, base + offsetOfBlock, n * n);
    for (let i = 0; i < n; i++) {
      for (let j = i; j < n; j++)
        block[i * n + j] = factor[rowOf(d, bottom - 1 - j) + bottom - 1 - i]!;
      const row = bottom - 1 - i;
      const place = base + offsetOfRows + 4 * i * later;
      const part = { data: factor, d, top: row, bottom: row + 1 };
      copyTriangleIn(place, { ...part, left: bottom, right: d });
    }
    wasm.solve(n, later, base + offsetOfBlock, base + offsetOfRows);
    const solved = new Float32Array(memory.buffer, base + offsetOfRows, n * later);
    for (let i = 0; i < n; i++) {
      for (let k = 0; k < later; k++) out.data[k * n + n - 1 - i] = solved[i * later + k]!;
    }
  },
};
