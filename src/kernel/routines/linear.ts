import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyIn, copyRectangleIn, copyRectangleOut, dtypeCode, Layout } from "../arena.ts";
import { bytesPerElement } from "../dtype.ts";
import { bytesOf, type Matrix, type Weight } from "../matrix.ts";
import type { Routine } from "../routine.ts";
import { struct } from "../struct.ts";

/** y = x·Wᵀ + bias in float32. */
export interface LinearJob {
  /** `[tokens, in]` */
  readonly x: Matrix;
  /** Row i of y comes from row `rows[i]` of x; null: from row i. */
  readonly rows: Uint32Array<SharedArrayBuffer> | null;
  /** `[out, in]` */
  readonly weight: Weight;
  /** `[out]` */
  readonly bias: Float32Array<SharedArrayBuffer> | null;
  /** Overwritten from column `left` on: `[tokens, left + out]` or wider; or `[rows.length, …]`. */
  readonly y: Matrix;
  /** Default: 0, and y has no further columns. */
  readonly left?: number;
}

export const LinearCall = struct({
  x: "usize",
  rows: "usize",
  inputs: "usize",
  weight: "usize",
  from: "usize",
  outputs: "usize",
  widened: "usize",
  bias: "usize",
  y: "usize",
});

/**
 * Maximum float32 in the arena for rows of x, and for rows of the weight. Both hold at least one
 * micro-tile of the product.
 */
const [mostOfX, mostOfWeight] = [8 * 2 ** 20, 2 * 2 ** 20];
/** Rows and columns of a micro-tile of the product (gemm.rs). Slabs are whole micro-tiles. */
const [microRows, microColumns] = [6, 8];

/** How many rows of `width` elements make a slab of at most `most` elements, in whole micro-tiles. */
function slabOf(count: number, width: number, most: number, micro: number): number {
  return Math.min(count, Math.max(micro, Math.floor(most / width / micro) * micro));
}

export const linear: Routine<LinearJob, void> = {
  describe: ({ x, weight, y }) =>
    `product of ${y.rows}x${x.columns} rows and ${weight.rows}x${weight.columns} weights`,
  check({ x, rows, weight, bias, y, left }, fail) {
    const elementBytes = bytesPerElement[weight.dtype] ?? fail(`${weight.dtype} is not a dtype`);
    if (!(weight.dtype in dtypeCode)) fail(`${weight.dtype} is not a float dtype`);
    if (x.columns !== weight.columns) fail("x and the weight differ in their input width");
    const fits = left === undefined ? y.columns === weight.rows : y.columns >= left + weight.rows;
    if (!fits)
      fail(`y has ${y.columns} columns for ${weight.rows} output rows from column ${left ?? 0} on`);
    if (y.rows !== (rows ?? { length: x.rows }).length)
      fail(`y has ${y.rows} rows, expected ${rows?.length ?? x.rows}`);
    for (const { data, rows, columns } of [x, y]) {
      if (data.length !== rows * columns) fail(`${data.length} elements for ${rows}x${columns}`);
    }
    if (weight.bytes.length !== weight.rows * weight.columns * elementBytes) {
      fail(`the weight has ${weight.bytes.length} bytes`);
    }
    if (bias && bias.length !== weight.rows) fail(`the bias has ${bias.length} elements`);
    if (rows?.some((row) => row >= x.rows)) fail(`a row number outside the ${x.rows} rows of x`);
  },
  run({ x, rows, weight, bias, y, left: first = 0 }) {
    const inputs = weight.columns;
    const elementBytes = bytesPerElement[weight.dtype]!;
    const [high, wide] = [
      slabOf(y.rows, inputs, mostOfX, microRows),
      slabOf(weight.rows, inputs, mostOfWeight, microColumns),
    ];
    const layout = new Layout();
    const [atX, atY] = [layout.place(4 * high * inputs), layout.place(4 * high * wide)];
    const [atWeight, atWide] = [
      layout.place(elementBytes * wide * inputs),
      layout.place(4 * wide * inputs),
    ];
    const atBias = layout.place(4 * wide);
    const atCall = layout.place(LinearCall.bytes);
    const base = layout.claim();
    for (let top = 0; top < y.rows; top += high) {
      const bottom = Math.min(y.rows, top + high);
      copyRectangleIn(base + atX, { ...x, rows, top, bottom, left: 0, right: inputs });
      for (let left = 0; left < weight.rows; left += wide) {
        const right = Math.min(weight.rows, left + wide);
        copyIn(
          base + atWeight,
          weight.bytes,
          left * inputs * elementBytes,
          right * inputs * elementBytes,
        );
        if (bias) copyIn(base + atBias, bytesOf(bias), 4 * left, 4 * right);
        LinearCall.write(base + atCall, {
          x: base + atX,
          rows: bottom - top,
          inputs,
          weight: base + atWeight,
          from: dtypeCode[weight.dtype],
          outputs: right - left,
          widened: base + atWide,
          bias: bias ? base + atBias : 0,
          y: base + atY,
        });
        wasm.linear(base + atCall);
        const place = { top, bottom, left: first + left, right: first + right };
        copyRectangleOut(base + atY, { ...y, ...place });
      }
    }
  },
};
