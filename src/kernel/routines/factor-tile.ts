import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyRectangleIn, copyRectangleOut, Layout } from "../arena.ts";
import type { Routine } from "../routine.ts";
import { checkTile, type Tile } from "../tiles.ts";

/** Finishes one tile of a Cholesky factor H = RᵀR in place, once the tiles above it and left of it (its row's diagonal tile) are. */
export interface FactorTileJob extends Tile {
  /** Float32 `[d, d]`, row-major: R in the rows before `top`, H from there on. Only the upper triangle is read. */
  readonly factor: Float32Array<SharedArrayBuffer>;
}

export interface FactorTileAnswer {
  /** The first row whose pivot is not positive and finite: no tile that needs it can be finished. */
  readonly pivot: number | null;
}

/** Rows of the factor in the arena at once: whole blocks of the product's depth (`DEPTH` in gemm.rs). */
const slab = 1024;

export const factorTile: Routine<FactorTileJob, FactorTileAnswer> = {
  describe: ({ d, top, left }) => `factor of ${d}x${d}, tile at ${top},${left}`,
  check({ factor, d, top, bottom, left, right }, fail) {
    if (factor.length !== d * d) fail(`the factor has ${factor.length} elements`);
    checkTile({ d, top, bottom, left, right }, fail);
  },
  run({ factor, d, top, bottom, left, right }) {
    const [height, width, diagonal] = [bottom - top, right - left, left === top];
    const layout = new Layout();
    const deep = Math.min(slab, Math.max(top, height));
    const [atLeft, atRight] = [
      layout.place(4 * deep * height),
      layout.place(diagonal ? 0 : 4 * deep * width),
    ];
    const atTile = layout.place(4 * height * width);
    const base = layout.claim();
    const host = { data: factor, columns: d };
    const tile = { ...host, top, bottom, left, right };
    copyRectangleIn(base + atTile, tile);
    for (let start = 0; start < top; start += slab) {
      const above = { ...host, top: start, bottom: Math.min(top, start + slab) };
      const depth = above.bottom - start;
      copyRectangleIn(base + atLeft, { ...above, left: top, right: bottom });
      if (!diagonal) copyRectangleIn(base + atRight, { ...above, left, right });
      const other = base + (diagonal ? atLeft : atRight);
      wasm.add_product(base + atLeft, other, depth, height, width, -1, base + atTile, diagonal);
    }
    let pivot = -1;
    if (diagonal) {
      pivot = wasm.cholesky(height, base + atTile);
    } else {
      copyRectangleIn(base + atLeft, { ...host, top, bottom, left: top, right: bottom });
      wasm.solve(height, width, base + atLeft, base + atTile);
    }
    copyRectangleOut(base + atTile, tile, diagonal);
    return { pivot: pivot < 0 ? null : top + pivot };
  },
};
