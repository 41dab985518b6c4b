import {
  copyRectangleIn,
  copyRectangleOut,
  copyTriangleIn,
  copyTriangleOut,
  Layout,
} from "../arena.ts";
import { checkMatrix, checkRows, type Floats, type Matrix } from "../matrix.ts";
import type { Routine } from "../routine.ts";
import { checkTile } from "../tiles.ts";
import { checkTriangle } from "../triangle.ts";
import { type CopyRows, TileProduct } from "./tile-product.ts";

/** Adds alpha·XᵀY to one tile of the second moments between two inputs. */
export interface MomentsJob {
  /** `[tokens, m]` */
  readonly x: Matrix;
  /**
   * `[tokens, n]`. Null: x itself. The sums are then a Gram matrix, of which there is the upper
   * triangle, so a tile must not lie below the diagonal.
   */
  readonly y: Matrix | null;
  /** The tokens that count, in order; null: all of them. */
  readonly rows: Uint32Array<SharedArrayBuffer> | null;
  /** `[m, n]`, row-major; of a Gram matrix the upper triangle (triangle.ts). */
  readonly sums: Floats;
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
    if (rows) checkRows(rows, x, fail);
    if (y === null) {
      checkTriangle("the sum", sums, x.columns, fail);
      checkTile({ ...tile, d: x.columns }, fail);
      return;
    }
    checkMatrix("y", y, [x.rows, y.columns], fail);
    checkMatrix(
      "the sum",
      { data: sums, rows: x.columns, columns: y.columns },
      [x.columns, y.columns],
      fail,
    );
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
    const tile = { data: sums, top, bottom, left, right };
    const columnsOf =
      (matrix: Matrix, [left, right]: readonly [number, number]): CopyRows =>
      (address, top, bottom) =>
        copyRectangleIn(address, { ...matrix, rows, top, bottom, left, right });
    const operands = {
      left: columnsOf(x, [top, bottom]),
      right: columnsOf(y ?? x, [left, right]),
    };
    const at = base + product.tile;
    if (y === null) copyTriangleIn(at, { ...tile, d: x.columns });
    else copyRectangleIn(at, { ...tile, columns: y.columns });
    product.add(base, operands, depth, alpha);
    if (y === null) copyTriangleOut(at, { ...tile, d: x.columns });
    else copyRectangleOut(at, { ...tile, columns: y.columns });
  },
};
