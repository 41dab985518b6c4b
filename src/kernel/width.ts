/** Widths that MLX's affine format knows. */
export type Bits = 2 | 3 | 4 | 5 | 6 | 8;
export type GroupSize = 32 | 64 | 128;
export type Rounding = "stored" | "mlx";

export interface Width {
  readonly bits: Bits;
  readonly groupSize: GroupSize;
}
