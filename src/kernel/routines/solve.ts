import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyRectangleIn, Layout, memory } from "../arena.ts";
import { checkMatrix, type Matrix } from "../matrix.ts";
import type { Routine } from "../routine.ts";

/**
 * B ← B·H⁻¹ for a symmetric H with a known Cholesky factor: every row b becomes the x with x·H = b.
 */
export interface SolveJob {
  /** R, float32 `[d, d]`, row-major, upper triangle: H = RᵀR, its rows and columns in `order`. */
  readonly factor: Float32Array<SharedArrayBuffer>;
  /** Natural column of each position. */
  readonly order: Uint32Array<SharedArrayBuffer>;
  /** `[rows, d]`, columns in natural order. */
  readonly b: Matrix;
}

export const solve: Routine<SolveJob, void> = {
  describe: ({ b }) => `solution for ${b.rows}x${b.columns}`,
  check({ factor, order, b }, fail) {
    const d = order.length;
    checkMatrix("b", b, [b.rows, d], fail);
    if (factor.length !== d * d) fail(`the factor has ${factor.length} elements`);
    if (new Set(order).size !== d || order.some((column) => column >= d))
      fail("the order is not a permutation");
  },
  run({ factor, order, b: { data, rows } }) {
    const d = order.length;
    const layout = new Layout();
    const [offsetOfFactor, offsetOfB] = [layout.place(4 * d * d), layout.place(4 * d * rows)];
    const base = layout.claim();
    const [atFactor, atB] = [base + offsetOfFactor, base + offsetOfB];
    // Bᵀ, `[d, rows]`: the kernel solves for columns.
    const columns = new Float32Array(memory.buffer, atB, d * rows);
    for (let p = 0; p < d; p++) {
      for (let row = 0; row < rows; row++) columns[p * rows + row] = data[row * d + order[p]!]!;
    }
    copyRectangleIn(atFactor, { data: factor, columns: d, top: 0, bottom: d, left: 0, right: d });
    wasm.solve(d, rows, atFactor, atB);
    // Solving RX = B equals solving RᵀX = B with rows and columns in reverse order. The triangle
    // stays an upper one.
    reverseRows(columns, d, rows);
    const backwards = new Float32Array(memory.buffer, atFactor, d * d);
    for (let i = 0; i < d; i++) {
      for (let j = i; j < d; j++) backwards[i * d + j] = factor[(d - 1 - j) * d + d - 1 - i]!;
    }
    wasm.solve(d, rows, atFactor, atB);
    // The kernel's memory may have grown, so make a new view.
    const solved = new Float32Array(memory.buffer, atB, d * rows);
    for (let p = 0; p < d; p++) {
      for (let row = 0; row < rows; row++)
        data[row * d + order[p]!] = solved[(d - 1 - p) * rows + row]!;
    }
  },
};

function reverseRows(values: Float32Array, count: number, length: number): void {
  for (let low = 0, high = count - 1; low < high; low++, high--) {
    const row = values.slice(low * length, (low + 1) * length);
    values.copyWithin(low * length, high * length, (high + 1) * length);
    values.set(row, high * length);
  }
}
