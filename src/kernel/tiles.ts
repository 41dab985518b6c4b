import type { Fail } from "./routine.ts";

/**
 * Maximum rows and columns of a tile of a large matrix. Each tile is one job. A product should take
 * much longer than copying its operands, and there should be enough tiles for all workers.
 */
export const mostRows = {
  gram: 928,
  factor: 928,
} as const;
/** Whole micro-tiles of the product (gemm.rs). */
const unit = 24;

/**
 * Bounds of the tiles of a `[d, d]` matrix: 0 … d, in equal steps except the last. They depend on d
 * alone, because the steps of a factorization affect the bits of its result.
 */
export function tileBounds(d: number, mostRows: number): number[] {
  const count = Math.max(1, Math.ceil(d / mostRows));
  const size = Math.ceil(d / count / unit) * unit;
  return [...Array.from({ length: Math.ceil(d / size) }, (_, i) => i * size), d];
}

/** Rows `[top, bottom)` and columns `[left, right)` of a `[d, d]` matrix. */
export interface Tile {
  readonly d: number;
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** Calls `fail` unless a tile lies on the diagonal (same rows and columns) or right of it. */
export function checkTile({ d, top, bottom, left, right }: Tile, fail: Fail): void {
  const whole = [top, bottom, left, right].every(Number.isInteger);
  const beside = (left === top && right === bottom) || left >= bottom;
  if (!whole || top < 0 || top >= bottom || left >= right || right > d || !beside) {
    fail(`rows ${top} to ${bottom}, columns ${left} to ${right} are not a tile of ${d}x${d}`);
  }
}
