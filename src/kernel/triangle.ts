import { type Floats, sharedFloats } from "./matrix.ts";
import type { Fail } from "./routine.ts";

/**
 * The upper triangle of a `[d, d]` matrix that is symmetric or triangular, in float32: row after
 * row, each from its diagonal on. So it takes half of the memory of a square. Element (i, j) with j
 * >= i is at `rowOf(d, i) + j`.
 */
export function triangleSize(d: number): number {
  return (d * (d + 1)) / 2;
}

export function rowOf(d: number, i: number): number {
  return i * d - (i * (i + 1)) / 2;
}

/** A triangle of zeros. */
export function newTriangle(d: number): Floats {
  return sharedFloats(triangleSize(d));
}

/** Calls `fail` where a job's triangle has the size of another d. */
export function checkTriangle(name: string, { length }: Float32Array, d: number, fail: Fail): void {
  const expected = triangleSize(d);
  if (length !== expected) fail(`${name} has ${length} elements, expected ${expected}`);
}
