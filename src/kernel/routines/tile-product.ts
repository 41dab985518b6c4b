import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyRectangleIn, type Layout, type Rectangle } from "../arena.ts";
import { struct } from "../struct.ts";

/** Columns `[left, right)` of a matrix. */
export type Columns = Omit<Rectangle, "top" | "bottom">;

export const ProductCall = struct({
  left: "usize",
  right: "usize",
  depth: "usize",
  height: "usize",
  width: "usize",
  alpha: "f32",
  tile: "usize",
  upper: "usize",
});

/**
 * Rows in the arena at once, few enough for a core's caches. A multiple of the product's depth
 * (`DEPTH` in gemm.rs), so that slabs do not change the bits of a sum.
 */
const slab = 1024;

interface Shape {
  readonly height: number;
  readonly width: number;
  /** Maximum rows of a product. */
  readonly depth: number;
  /** The tile lies on the diagonal of a symmetric matrix: only its upper part is needed. */
  readonly isDiagonal: boolean;
}

/** Adds products alpha·LᵀR to a tile `[height, width]` in the arena. */
export class TileProduct {
  readonly #shape: Shape;
  readonly #offsets: { readonly left: number; readonly right: number; readonly call: number };
  /** Offset of the tile. */
  readonly tile: number;

  constructor(layout: Layout, shape: Shape) {
    const rows = Math.min(slab, shape.depth);
    this.#shape = shape;
    const left = layout.place(4 * rows * shape.height);
    const right = shape.isDiagonal ? left : layout.place(4 * rows * shape.width);
    this.#offsets = { left, right, call: layout.place(ProductCall.bytes) };
    this.tile = layout.place(4 * shape.height * shape.width);
  }

  /**
   * L `[depth, height]` and R `[depth, width]` are columns of host matrices. On the diagonal R is
   * L.
   */
  add(
    base: number,
    operands: { readonly left: Columns; readonly right: Columns },
    depth: number,
    alpha: number,
  ): void {
    const { height, width, isDiagonal } = this.#shape;
    const { left, right, call } = this.#offsets;
    for (let top = 0; top < depth; top += slab) {
      const bottom = Math.min(depth, top + slab);
      copyRectangleIn(base + left, { ...operands.left, top, bottom });
      if (!isDiagonal) copyRectangleIn(base + right, { ...operands.right, top, bottom });
      ProductCall.write(base + call, {
        left: base + left,
        right: base + right,
        depth: bottom - top,
        height,
        width,
        alpha,
        tile: base + this.tile,
        upper: Number(isDiagonal),
      });
      wasm.add_product(base + call);
    }
  }
}
