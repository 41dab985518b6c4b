import { type FloatDtype, isFloat } from "./dtype.ts";
import type { Fail } from "./routine.ts";

/** Widths that MLX's affine format knows. */
export const bitWidths = [2, 3, 4, 5, 6, 8] as const;
export type Bits = (typeof bitWidths)[number];
export const groupSizes = [32, 64, 128] as const;
export type GroupSize = (typeof groupSizes)[number];
export type Rounding = "stored" | "mlx";

export interface Width {
  readonly bits: Bits;
  readonly groupSize: GroupSize;
}

/** Calls `fail` where MLX has no such width, or its groups do not fill rows of `columns`. */
export function checkWidth({ bits, groupSize }: Width, columns: number, fail: Fail): void {
  if (!bitWidths.includes(bits))
    fail(`MLX has no ${bits}-bit format, only ${bitWidths.join(", ")}`);
  if (!groupSizes.includes(groupSize))
    fail(`MLX has no groups of ${groupSize}, only ${groupSizes.join(", ")}`);
  if (columns % groupSize !== 0)
    fail(`${columns} columns are not a multiple of the group of ${groupSize}`);
}

/** Calls `fail` where rows or columns are not whole numbers above 0. */
export function checkShape(
  { rows, columns }: { readonly rows: number; readonly columns: number },
  fail: Fail,
): void {
  for (const n of [rows, columns]) {
    if (!Number.isSafeInteger(n) || n < 1) fail("rows and columns must be whole numbers above 0");
  }
}

export function checkDtype(dtype: FloatDtype, fail: Fail): void {
  if (!isFloat(dtype)) fail(`${dtype} is not a float dtype`);
}
