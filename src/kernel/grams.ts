import type { Kernel } from "./kernel-types.ts";
import type { Matrix } from "./matrix.ts";
import { mostRows, tileBounds } from "./tiles.ts";

/** A sum of products of tokens' values with themselves. */
export interface GramSum {
  /** `[tokens, d]` */
  readonly x: Matrix;
  /** The upper triangle of a `[d, d]` matrix (triangle.ts), added to. */
  readonly sums: Float32Array<SharedArrayBuffer>;
  readonly alpha: number;
  /** The tokens that count, in this order. Default: all. */
  readonly rows?: Uint32Array<SharedArrayBuffer> | null;
}

/**
 * Adds alpha·XᵀX to `sums`. The sums are in float32, tokens in order. Workers
 * share the Gram tiles; the result does not depend on the number of workers.
 */
export async function gram(
  kernel: Kernel,
  { x, sums, alpha, rows = null }: GramSum,
): Promise<void> {
  const bounds = tileBounds(x.columns, mostRows.gram);
  const tiles = bounds.slice(1).flatMap((bottom, i) => {
    return bounds
      .slice(i + 1)
      .map((right, j) => ({ top: bounds[i]!, bottom, left: bounds[i + j]!, right }));
  });
  // Tiles on the diagonal come last: they are half the work, so workers finish at about the same
  // time.
  const halves = tiles.filter(({ top, left }) => top === left);
  const jobs = [...tiles.filter((tile) => !halves.includes(tile)), ...halves];
  await Promise.all(
    jobs.map((tile) => kernel.run("moments", { x, y: null, rows, sums, ...tile, alpha })),
  );
}

/** A sum of products of tokens' values in two matrices. */
export interface CrossSum {
  /** `[tokens, m]` */
  readonly x: Matrix;
  /** `[tokens, n]` */
  readonly y: Matrix;
  /** `[m, n]`, added to. */
  readonly sums: Matrix;
  /** The tokens that count, in this order. Default: all. */
  readonly rows?: Uint32Array<SharedArrayBuffer> | null;
}

/** Adds XᵀY to `sums`, in the order and the tiles of `gram`. */
export async function cross(kernel: Kernel, { x, y, sums, rows = null }: CrossSum): Promise<void> {
  const [down, across] = [
    tileBounds(x.columns, mostRows.gram),
    tileBounds(y.columns, mostRows.gram),
  ];
  const tiles = down.slice(1).flatMap((bottom, i) => {
    return across.slice(1).map((right, j) => ({ top: down[i]!, bottom, left: across[j]!, right }));
  });
  await Promise.all(
    tiles.map((tile) => kernel.run("moments", { x, y, rows, sums: sums.data, ...tile, alpha: 1 })),
  );
}
