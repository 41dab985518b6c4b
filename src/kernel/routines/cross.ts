import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyRectangleIn, copyRectangleOut, Layout } from "../arena.ts";
import { checkMatrix, checkRows, type Matrix } from "../matrix.ts";
import type { Routine } from "../routine.ts";

/** Adds XᵀY to one tile of the second moments between two inputs. */
export interface CrossJob {
  /** `[tokens, m]` */
  readonly x: Matrix;
  /** `[tokens, n]` */
  readonly y: Matrix;
  /** The tokens that count, in order; null: all of them. */
  readonly rows: Uint32Array<SharedArrayBuffer> | null;
  /** `[m, n]` */
  readonly sums: Matrix;
  /** Rows `[top, bottom)` and columns `[left, right)` of it. */
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** Tokens in the arena at once: whole blocks of the product's depth, as in gram.ts. */
const slab = 1024;

export const cross: Routine<CrossJob, void> = {
  describe: ({ x, y, top, left }) =>
    `moments of ${x.rows}x${x.columns} and ${y.rows}x${y.columns}, tile at ${top},${left}`,
  check({ x, y, rows, sums, top, bottom, left, right }, fail) {
    checkMatrix("x", x, [x.rows, x.columns], fail);
    checkMatrix("y", y, [x.rows, y.columns], fail);
    checkMatrix("the sums", sums, [x.columns, y.columns], fail);
    if (rows) checkRows(rows, x, fail);
    const inside =
      top >= 0 &&
      top < bottom &&
      bottom <= x.columns &&
      left >= 0 &&
      left < right &&
      right <= y.columns;
    if (!inside)
      fail(`rows ${top} to ${bottom}, columns ${left} to ${right} of ${x.columns}x${y.columns}`);
  },
  run({ x, y, rows, sums, top, bottom, left, right }) {
    const tokens = rows?.length ?? x.rows;
    const [height, width, deep] = [bottom - top, right - left, Math.min(slab, tokens)];
    const layout = new Layout();
    const [atX, atY] = [layout.place(4 * deep * height), layout.place(4 * deep * width)];
    const atSums = layout.place(4 * height * width);
    const base = layout.claim();
    const tile = { data: sums.data, columns: sums.columns, top, bottom, left, right };
    copyRectangleIn(base + atSums, tile);
    for (let start = 0; start < tokens; start += slab) {
      const end = Math.min(tokens, start + slab);
      copyRectangleIn(base + atX, {
        ...x,
        rows,
        top: start,
        bottom: end,
        left: top,
        right: bottom,
      });
      copyRectangleIn(base + atY, { ...y, rows, top: start, bottom: end, left, right });
      wasm.add_product(base + atX, base + atY, end - start, height, width, 1, base + atSums, false);
    }
    copyRectangleOut(base + atSums, tile);
  },
};
