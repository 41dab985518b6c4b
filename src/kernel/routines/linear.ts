import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyIn, copyRectangleIn, copyRectangleOut, dtypeCode, Layout } from "../arena.ts";
import { bytesPerElement, type FloatDtype } from "../dtype.ts";
import { bytesOf, type Matrix, type Weight, weightRows } from "../matrix.ts";
import type { Routine } from "../routine.ts";
import { struct } from "../struct.ts";

/** y = x·Wᵀ + bias in float32, or max(x·Wᵀ + bias, 0)². */
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
  /** Whether y becomes max(y, 0)². */
  readonly squared?: boolean;
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

/**
 * How many rows of `width` elements make a slab of at most `most` elements, in whole micro-tiles.
 */
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
  run({ x, rows, weight, bias, y, left: first = 0, squared = false }) {
    const inputs = weight.columns;
    const [high, wide] = [
      slabOf(y.rows, inputs, mostOfX, microRows),
      slabOf(weight.rows, inputs, mostOfWeight, microColumns),
    ];
    const layout = new Layout();
    const places = placeProduct(layout, [high, wide, inputs], weight.dtype);
    const atY = layout.place(4 * high * wide);
    const base = layout.claim();
    for (let top = 0; top < y.rows; top += high) {
      const bottom = Math.min(y.rows, top + high);
      copyRectangleIn(base + places.x, { ...x, rows, top, bottom, left: 0, right: inputs });
      for (let left = 0; left < weight.rows; left += wide) {
        const right = Math.min(weight.rows, left + wide);
        copyWeightIn(base, places, weightRows(weight, left, right), bias?.subarray(left, right));
        const shape = [bottom - top, right - left, inputs] as const;
        multiply(base, places, shape, { from: weight.dtype, bias: bias !== null, y: base + atY });
        if (squared) wasm.relu_squared(base + atY, (bottom - top) * (right - left));
        const place = { top, bottom, left: first + left, right: first + right };
        copyRectangleOut(base + atY, { ...y, ...place });
      }
    }
  },
};

/** Offsets of a product's operands in the arena. */
interface Places {
  readonly x: number;
  readonly weight: number;
  /** The weight in float32. */
  readonly wide: number;
  readonly bias: number;
  readonly call: number;
}

/** Rows of x, rows of the weight, columns of both. */
type Shape = readonly [rows: number, outputs: number, inputs: number];

/** Places the operands of products of at most this shape. */
export function placeProduct(
  layout: Layout,
  [rows, outputs, inputs]: Shape,
  dtype: FloatDtype,
): Places {
  return {
    x: layout.place(4 * rows * inputs),
    weight: layout.place(bytesPerElement[dtype]! * outputs * inputs),
    wide: layout.place(4 * outputs * inputs),
    bias: layout.place(4 * outputs),
    call: layout.place(LinearCall.bytes),
  };
}

export function copyWeightIn(
  base: number,
  places: Places,
  { bytes }: Weight,
  bias?: Float32Array<SharedArrayBuffer> | null,
): void {
  copyIn(base + places.weight, bytes, 0, bytes.length);
  if (bias) copyIn(base + places.bias, bytesOf(bias), 0, bias.byteLength);
}

/** Multiplies operands in the arena into the address `y`. */
export function multiply(
  base: number,
  places: Places,
  [rows, outputs, inputs]: Shape,
  { from, bias, y }: { readonly from: FloatDtype; readonly bias: boolean; readonly y: number },
): void {
  LinearCall.write(base + places.call, {
    x: base + places.x,
    rows,
    inputs,
    weight: base + places.weight,
    from: dtypeCode[from],
    outputs,
    widened: base + places.wide,
    bias: bias ? base + places.bias : 0,
    y,
  });
  wasm.linear(base + places.call);
}
