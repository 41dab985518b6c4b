import type { Kernel } from "./kernel-types.ts";
import type { Matrix } from "./matrix.ts";

/** Multiplications worth a job of their own: some milliseconds. */
const jobSize = 2 ** 28;
/** Most float32 of the Gram matrix in one instance's memory. */
const mostOfGram = 8 * 2 ** 20;
/** Panels of rows are whole tiles of the product (gemm.rs). */
const tileRows = 24;

/**
 * Adds alpha·XᵀX to the upper triangle of `gram`: x `[tokens, d]`, of which only `rows` count, in that order, where they are
 * given; gram float32 `[d, d]`, row-major, untouched below the diagonal. Sums in float32, tokens in order.
 * Workers share it in panels of rows; how it is cut does not show in the result.
 */
export async function gram(
  kernel: Kernel,
  x: Matrix,
  gram: Float32Array<SharedArrayBuffer>,
  alpha: number,
  rows: Uint32Array<SharedArrayBuffer> | null = null,
): Promise<void> {
  const panels = panelsOf(x.columns, rows?.length ?? x.rows);
  await Promise.all(panels.map(([from, to]) => kernel.run("gram", { x, rows, gram, from, to, alpha })));
}

/** Rows `[from, to)` of each panel, of about equal work. */
function panelsOf(d: number, tokens: number): [number, number][] {
  const count = Math.max(1, Math.round((d * d * tokens) / 2 / jobSize), Math.ceil((d * d) / mostOfGram));
  // Rows from r on hold (d - r)² / 2 elements: each panel leaves one share less of them.
  const starts = Array.from({ length: count }, (_, i) => {
    return Math.floor((d - d * Math.sqrt(1 - i / count)) / tileRows) * tileRows;
  });
  const bounds = [...new Set(starts), d];
  return bounds.slice(1).map((to, i) => [bounds[i]!, to]);
}
