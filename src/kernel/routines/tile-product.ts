import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import type { Layout } from "../arena.ts";
import { struct } from "../struct.ts";

/** Copies rows `[top, bottom)` of an operand into the arena, one after the other. */
export type CopyRows = (address: number, top: number, bottom: number) => void;

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

  /** L is `[depth, height]`, R `[depth, width]`. On the diagonal R is L. */
  add(
    base: number,
    operands: { readonly left: CopyRows; readonly right: CopyRows },
    depth: number,
    alpha: number,
  ): void {
    const { height, width, isDiagonal } = this.#shape;
    const { left, right, call } = this.#offsets;
    for (let top = 0; top < depth; top += slab) {
      const bottom = Math.min(depth, top + slab);
      operands.left(base + left, top, bottom);
      if (!isDiagonal) operands.right(base + right, top, bottom);
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
