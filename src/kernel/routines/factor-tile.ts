import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyTriangleIn, copyTriangleOut, Layout } from "../arena.ts";
import type { Routine } from "../routine.ts";
import { checkTile, type Tile } from "../tiles.ts";
import { checkTriangle } from "../triangle.ts";
import { type CopyRows, TileProduct } from "./tile-product.ts";

/**
 * Finishes one tile of a Cholesky factor H = RᵀR in place. The tiles above it and the diagonal tile
 * of its row are finished.
 */
export interface FactorTileJob extends Tile {
  /** An upper triangle (triangle.ts): R in the rows before `top`, H from there on. */
  readonly factor: Float32Array<SharedArrayBuffer>;
}

export interface FactorTileAnswer {
  /** The first row whose pivot is not positive and finite. Tiles that need it are not finished. */
  readonly pivot: number | null;
}

export const factorTile: Routine<FactorTileJob, FactorTileAnswer> = {
  describe: ({ d, top, left }) => `factor of ${d}x${d}, tile at ${top},${left}`,
  check({ factor, d, top, bottom, left, right }, fail) {
    checkTriangle("the factor", factor, d, fail);
    checkTile({ d, top, bottom, left, right }, fail);
  },
  run({ factor, d, top, bottom, left, right }) {
    const [height, width, diagonal] = [bottom - top, right - left, left === top];
    const layout = new Layout();
    const product = new TileProduct(layout, { height, width, depth: top, isDiagonal: diagonal });
    const offsetOfTriangle = layout.place(diagonal ? 0 : 4 * height * height);
    const base = layout.claim();
    const [atTile, atTriangle] = [base + product.tile, base + offsetOfTriangle];
    const tile = { data: factor, d, top, bottom, left, right };
    copyTriangleIn(atTile, tile);
    const above =
      (left: number, right: number): CopyRows =>
      (address, top, bottom) =>
        copyTriangleIn(address, { data: factor, d, top, bottom, left, right });
    product.add(base, { left: above(top, bottom), right: above(left, right) }, top, -1);
    let pivot = -1;
    if (diagonal) {
      pivot = wasm.cholesky(height, atTile);
    } else {
      copyTriangleIn(atTriangle, { ...tile, left: top, right: bottom });
      wasm.solve(height, width, atTriangle, atTile);
    }
    copyTriangleOut(atTile, tile);
    return { pivot: pivot < 0 ? null : top + pivot };
  },
};
