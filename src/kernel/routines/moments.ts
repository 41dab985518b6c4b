import { copyRectangleIn, copyRectangleOut, Layout } from "../arena.ts";
import { checkMatrix, checkRows, type Matrix } from "../matrix.ts";
import type { Routine } from "../routine.ts";
import { checkTile } from "../tiles.ts";
import { TileProduct } from "./tile-product.ts";

/** Adds alpha·XᵀY to one tile of the second moments between two inputs. */
export interface MomentsJob {
  /** `[tokens, m]` */
  readonly x: Matrix;
  /**
   * `[tokens, n]`. Null: x itself. The sums are then a Gram matrix. Only its upper triangle is
   * computed, so a tile must not lie below the diagonal.
   */
  readonly y: Matrix | null;
  /** The tokens that count, in order; null: all of them. */
  readonly rows: Uint32Array<SharedArrayBuffer> | null;
  /** `[m, n]` */
  readonly sums: Matrix;
  /** Rows `[top, bottom)` and columns `[left, right)` of the sums. */
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
  readonly alpha: number;
}

export const moments: Routine<MomentsJob, void> = {
  describe: ({ x, y, rows, top, left }) => {
    const what = y === null ? "gram" : `moments with ${y.columns} columns`;
    return `${what} of ${rows?.length ?? x.rows}x${x.columns}, tile at ${top},${left}`;
  },
  check({ x, y, rows, sums, ...tile }, fail) {
    checkMatrix("x", x, [x.rows, x.columns], fail);
    checkMatrix("the sums", sums, [x.columns, (y ?? x).columns], fail);
    if (rows) checkRows(rows, x, fail);
    if (y === null) {
      checkTile({ ...tile, d: x.columns }, fail);
      return;
    }
    checkMatrix("y", y, [x.rows, y.columns], fail);
    const { top, bottom, left, right } = tile;
    const isInside = [
      top >= 0 && top < bottom && bottom <= x.columns,
      left >= 0 && left < right && right <= y.columns,
    ];
    if (isInside.includes(false))
      fail(`rows ${top} to ${bottom}, columns ${left} to ${right} of ${x.columns}x${y.columns}`);
  },
  run({ x, y, rows, sums, top, bottom, left, right, alpha }) {
    const depth = rows?.length ?? x.rows;
    const isDiagonal = y === null && left === top;
    const layout = new Layout();
    const shape = { height: bottom - top, width: right - left, depth, isDiagonal };
    const product = new TileProduct(layout, shape);
    const base = layout.claim();
    const tile = { data: sums.data, columns: sums.columns, top, bottom, left, right };
    copyRectangleIn(base + product.tile, tile);
    const operands = {
      left: { ...x, rows, left: top, right: bottom },
      right: { ...(y ?? x), rows, left, right },
    };
    product.add(base, operands, depth, alpha);
    copyRectangleOut(base + product.tile, tile, isDiagonal);
  },
};
