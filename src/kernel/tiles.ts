import type { Fail } from "./routine.ts";
/** Tiles of the upper triangle of a large square matrix, each a job of its own. */

/**
 * Most rows and columns of a tile. Copying its operands should cost little beside the product, and
 * there should be several.
 */
export const mostRows = {
  gram: 512,
  /** Smaller, because a tile of a factor waits for others. */
  factor: 384,
} as const;
/** Whole tiles of the product in registers (gemm.rs). */
const unit = 24;

/**
 * Where tiles of a `[d, d]` matrix begin and end: 0 … d, in steps of equal size but for the last.
 * Depends on d alone: the steps of a factorization are part of its result's bits.
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

/** Calls `fail` unless a tile lies on the diagonal, its columns being its rows, or right of it. */
export function checkTile({ d, top, bottom, left, right }: Tile, fail: Fail): void {
  const whole = [top, bottom, left, right].every(Number.isInteger);
  const beside = (left === top && right === bottom) || left >= bottom;
  if (!whole || top < 0 || top >= bottom || left >= right || right > d || !beside) {
    fail(`rows ${top} to ${bottom}, columns ${left} to ${right} are no tile of ${d}x${d}`);
  }
}
