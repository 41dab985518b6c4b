import type { Kernel } from "./kernel-types.ts";
import type { Matrix } from "./matrix.ts";
import { mostRows, tileBounds } from "./tiles.ts";

/**
 * Adds alpha·XᵀX to the upper triangle of `gram`. x is `[tokens, d]`; if `rows` is given, only
 * those tokens count, in that order. gram is float32 `[d, d]`, row-major, and stays unchanged below
 * the diagonal. Sums are in float32, tokens in order. Workers share the Gram tiles; the result does
 * not depend on how many there are.
 */
export async function gram(
  kernel: Kernel,
  x: Matrix,
  gram: Float32Array<SharedArrayBuffer>,
  alpha: number,
  rows: Uint32Array<SharedArrayBuffer> | null = null,
): Promise<void> {
  const bounds = tileBounds(x.columns, mostRows.gram);
  const tiles = bounds.slice(1).flatMap((bottom, i) => {
    return bounds
      .slice(i + 1)
      .map((right, j) => ({ top: bounds[i]!, bottom, left: bounds[i + j]!, right }));
  });
  const sums = { data: gram, rows: x.columns, columns: x.columns };
  // Tiles on the diagonal come last: they are half the work, so workers finish at about the same
  // time.
  const halves = tiles.filter(({ top, left }) => top === left);
  const jobs = [...tiles.filter((tile) => !halves.includes(tile)), ...halves];
  await Promise.all(
    jobs.map((tile) => kernel.run("moments", { x, y: null, rows, sums, ...tile, alpha })),
  );
}

/**
 * Adds XᵀY to `sums`: x `[tokens, m]`, y `[tokens, n]`, sums `[m, n]`. Null `rows` means all
 * tokens. Order and tiles as in `gram`.
 */
export async function cross(
  kernel: Kernel,
  x: Matrix,
  y: Matrix,
  sums: Matrix,
  rows: Uint32Array<SharedArrayBuffer> | null = null,
): Promise<void> {
  const [down, across] = [
    tileBounds(x.columns, mostRows.gram),
    tileBounds(y.columns, mostRows.gram),
  ];
  const tiles = down.slice(1).flatMap((bottom, i) => {
    return across.slice(1).map((right, j) => ({ top: down[i]!, bottom, left: across[j]!, right }));
  });
  await Promise.all(
    tiles.map((tile) => kernel.run("moments", { x, y, rows, sums, ...tile, alpha: 1 })),
  );
}
