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

/** Calls `fail` where MLX knows no such width, or its groups do not fill rows of `columns`. */
export function checkWidth(
  { bits, groupSize }: Width,
  columns: number,
  fail: (what: string) => never,
): void {
  if (!bitWidths.includes(bits))
    fail(`MLX has no ${bits}-bit format, only ${bitWidths.join(", ")}`);
  if (!groupSizes.includes(groupSize))
    fail(`MLX has no groups of ${groupSize}, only ${groupSizes.join(", ")}`);
  if (columns % groupSize !== 0)
    fail(`${columns} columns are no multiple of the group of ${groupSize}`);
}
