import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyRectangleIn, copyRectangleOut, Layout } from "../arena.ts";
import type { Matrix } from "../matrix.ts";
import type { Routine } from "../routine.ts";
import { checkTile } from "../tiles.ts";

/** Adds alpha·XᵀX to one tile of a Gram matrix's upper triangle. */
export interface GramJob {
  /** `[tokens, d]` */
  readonly x: Matrix;
  /** The tokens that count, in order; null: all of them. */
  readonly rows: Uint32Array<SharedArrayBuffer> | null;
  /** Float32 `[d, d]`, row-major. Nothing below the diagonal is touched. */
  readonly gram: Float32Array<SharedArrayBuffer>;
  /** Rows `[top, bottom)` and columns `[left, right)`: the same, on the diagonal, or columns to the right of it. */
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
  readonly alpha: number;
}

/**
 * Tokens in the arena at once, few enough for a core's caches. Whole blocks of the product's depth (`DEPTH` in gemm.rs), so that
 * slabs do not show in a sum's bits.
 */
const slab = 1024;

export const gram: Routine<GramJob, void> = {
  describe: ({ x, rows, top, left }) =>
    `gram of ${rows?.length ?? x.rows}x${x.columns}, tile at ${top},${left}`,
  check({ x, rows, gram, top, bottom, left, right }, fail) {
    const d = x.columns;
    if (x.data.length !== x.rows * d) fail(`x has ${x.data.length} elements`);
    if (gram.length !== d * d) fail(`the gram has ${gram.length} elements`);
    checkTile({ d, top, bottom, left, right }, fail);
    if (rows?.some((row) => row >= x.rows)) fail(`a row outside of the ${x.rows} of x`);
  },
  run({ x, rows, gram, top, bottom, left, right, alpha }) {
    const tokens = rows?.length ?? x.rows;
    const [height, width, diagonal] = [bottom - top, right - left, left === top];
    const deep = Math.min(slab, tokens);
    const layout = new Layout();
    const [atLeft, atRight] = [
      layout.place(4 * deep * height),
      layout.place(diagonal ? 0 : 4 * deep * width),
    ];
    const atTile = layout.place(4 * height * width);
    const base = layout.claim();
    const tile = { data: gram, columns: x.columns, top, bottom, left, right };
    copyRectangleIn(base + atTile, tile);
    for (let start = 0; start < tokens; start += slab) {
      const some = { ...x, rows, top: start, bottom: Math.min(tokens, start + slab) };
      const depth = some.bottom - start;
      copyRectangleIn(base + atLeft, { ...some, left: top, right: bottom });
      if (!diagonal) copyRectangleIn(base + atRight, { ...some, left, right });
      const other = base + (diagonal ? atLeft : atRight);
      wasm.add_product(base + atLeft, other, depth, height, width, alpha, base + atTile, diagonal);
    }
    copyRectangleOut(base + atTile, tile, diagonal);
  },
};
