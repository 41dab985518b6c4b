import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyIn, copyRectangleIn, dtypeCode, Layout, memory } from "../arena.ts";
import { bytesPerElement, type FloatDtype } from "../dtype.ts";
import type { Matrix } from "../matrix.ts";
import { packedBytes } from "../packed.ts";
import { struct } from "../struct.ts";
import type { Bits, GroupSize } from "../width.ts";

/** Rows of a weight at one width, as exports/tuning.rs takes them. */
export interface TuneFrame {
  /** `[rows, columns]` in `from`, row-major, columns in natural order. */
  readonly weights: Uint8Array<SharedArrayBuffer>;
  readonly from: FloatDtype;
  readonly columns: number;
  /** Dtype of scales and biases. */
  readonly store: FloatDtype;
  /**
   * R, float32 `[columns, columns]`, upper triangle: H = RᵀR, its rows and columns in `order`.
   * Null: columns cannot compensate each other's errors. Then scales are searched, codes are the
   * nearest, and losses are Σ diagonal · e².
   */
  readonly factor: Float32Array<SharedArrayBuffer> | null;
  /**
   * Natural column of each position. Codes are chosen from the last position to the first. Null if
   * the factor is null.
   */
  readonly order: Uint32Array<SharedArrayBuffer> | null;
  /**
   * Weight of each column's error in the search for scales, natural order: the diagonal of H. Null:
   * all columns count the same.
   */
  readonly diagonal: Float32Array<SharedArrayBuffer> | null;
  readonly bits: Bits;
  readonly groupSize: GroupSize;
  /**
   * Passes of coordinate descent over all finished columns, after each block of columns. At the end
   * scales and biases are fitted to the codes. 0: neither (plain GPTQ).
   */
  readonly sweeps: number;
}

export const TuneCall = struct({
  rows: "usize",
  columns: "usize",
  bits: "usize",
  groupSize: "usize",
  store: "usize",
  sweeps: "usize",
  refit: "usize",
  from: "usize",
  weights: "usize",
  order: "usize",
  importance: "usize",
  words: "usize",
  scales: "usize",
  biases: "usize",
  workspace: "usize",
  loss: "f64",
  roundedLoss: "f64",
  roundedRows: "f64",
  squaredError: "f64",
  weightEnergy: "f64",
  nonFinite: "f64",
});

type Call = Parameters<typeof TuneCall.write>[1];

/** Where a frame lies in the arena. */
export interface Prepared {
  /** Address of the TuneCall. */
  readonly call: number;
  readonly atFactor: number;
  /** Memory for `columns` more float32. */
  readonly atPivots: number;
  /** Words, scales and biases of the rows. */
  readonly outputs: readonly [number, number, number];
}

/** At 8 bits the stored scale is too coarse for a fit to improve it. */
const mostRefitted = 6;

/** Lays out rows `[start, end)` in the arena, rounds them plainly and searches their scales. */
export function prepare(frame: TuneFrame, start: number, end: number): Prepared {
  const { columns, factor, order, diagonal } = frame;
  const rows = end - start;
  const layout = new Layout();
  const atCall = layout.place(TuneCall.bytes);
  const rowBytes = columns * bytesPerElement[frame.from]!;
  const offsets = {
    weights: layout.place(rows * rowBytes),
    order: layout.place(4 * columns),
    importance: layout.place(4 * columns),
    ...placePacked(frame, rows, layout),
  };
  const atPivots = layout.place(4 * columns);
  const blockRows = factor ? Math.min(wasm.tune_block_size(), columns) : 0;
  const atFactor = layout.place(4 * blockRows * columns);
  const workspace = layout.place(8 * workspaceOf(callOf(frame, rows, offsets, 0)));
  const base = layout.claim();
  const call = callOf(frame, rows, { ...offsets, workspace }, base);
  TuneCall.write(base + atCall, call);
  if (order) new Uint32Array(memory.buffer, call.order, columns).set(order);
  const importance = new Float32Array(memory.buffer, call.importance, columns);
  if (diagonal) importance.set(diagonal);
  else importance.fill(1);
  copyIn(call.weights, frame.weights, start * rowBytes, end * rowBytes);
  wasm.tune_prepare(base + atCall);
  return {
    call: base + atCall,
    atFactor: base + atFactor,
    atPivots: base + atPivots,
    outputs: [call.words, call.scales, call.biases],
  };
}

/** Places of the rows' words, scales and biases. */
function placePacked(frame: TuneFrame, rows: number, layout: Layout) {
  const bytes = packedBytes({ rows, columns: frame.columns }, frame, frame.store);
  return {
    words: layout.place(bytes.words),
    scales: layout.place(bytes.scales),
    biases: layout.place(bytes.biases),
  };
}

type Offsets = Pick<Call, "weights" | "order" | "importance" | "words" | "scales" | "biases"> & {
  readonly workspace?: number;
};

/** The call of a frame whose operands lie at offsets from `base`. */
function callOf(frame: TuneFrame, rows: number, offsets: Offsets, base: number): Call {
  const { columns, bits, groupSize, sweeps } = frame;
  return {
    rows,
    columns,
    bits,
    groupSize,
    store: dtypeCode[frame.store],
    sweeps,
    refit: Number(bits <= mostRefitted),
    from: dtypeCode[frame.from],
    weights: base + offsets.weights,
    order: frame.order ? base + offsets.order : 0,
    importance: base + offsets.importance,
    words: base + offsets.words,
    scales: base + offsets.scales,
    biases: base + offsets.biases,
    workspace: base + (offsets.workspace ?? 0),
    loss: 0,
    roundedLoss: 0,
    roundedRows: 0,
    squaredError: 0,
    weightEnergy: 0,
    nonFinite: 0,
  };
}

/** How many float64 of workspace a call needs. The kernel answers before the arena is laid out. */
function workspaceOf(call: Call): number {
  const layout = new Layout();
  const offset = layout.place(TuneCall.bytes);
  const address = layout.claim() + offset;
  TuneCall.write(address, call);
  return wasm.tune_workspace(address);
}

/** Copies the factor into the arena block by block, from the last positions to the first. */
export function eachBlock(
  { data: factor, rows: columns }: Matrix,
  atFactor: number,
  visit: (left: number, right: number) => void,
): void {
  const block = wasm.tune_block_size();
  for (let right = columns; right > 0; right -= block) {
    const left = Math.max(0, right - block);
    const rectangle = { data: factor, columns, top: left, bottom: right, left, right: columns };
    copyRectangleIn(atFactor, rectangle);
    visit(left, right);
  }
}

/** R as a matrix; null without a factor. */
export function factorOf({
  factor,
  columns,
}: Pick<TuneFrame, "factor" | "columns">): Matrix | null {
  return factor && { data: factor, rows: columns, columns };
}
