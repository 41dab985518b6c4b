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
  /** What the codes stand for. Absent: affine, code · scale + bias. */
  readonly mode?: "mxfp4";
}

/** MLX's mxfp4: E2M1 codes, with a power of two for 32 of them. Only for a base that has them. */
export const mxfp4Width = { bits: 4, groupSize: 32, mode: "mxfp4" } as const satisfies Width;

export function isMxfp4({ mode }: Width): boolean {
  return mode === "mxfp4";
}

/** Calls `fail` where MLX has no such affine width, or its groups do not fill rows of `columns`. */
export function checkWidth({ bits, groupSize, mode }: Width, columns: number, fail: Fail): void {
  if (mode !== undefined) fail(`codes of ${mode} are copied, not computed`);
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
