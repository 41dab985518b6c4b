import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyIn, copyRectangleIn, dtypeCode, Layout, memory } from "../arena.ts";
import { bytesPerElement, type FloatDtype } from "../dtype.ts";
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
   * R, float32 `[columns, columns]`, upper triangle: H = RᵀR, its rows and columns in `order`. Null: no column's error can be made
   * up for by others; scales are searched, codes are the nearest, and losses are Σ diagonal · e².
   */
  readonly factor: Float32Array<SharedArrayBuffer> | null;
  /** Natural column of each position; codes are chosen from the last position to the first. Null with a null factor. */
  readonly order: Uint32Array<SharedArrayBuffer> | null;
  /** What a column's error counts in the search for scales, natural order: the diagonal of H. Null: all alike. */
  readonly diagonal: Float32Array<SharedArrayBuffer> | null;
  readonly bits: Bits;
  readonly groupSize: GroupSize;
  /**
   * Looks that coordinate descent takes at all columns done so far after each block of columns; at last scales and biases are
   * fitted to the codes found. 0: neither, plain GPTQ.
   */
  readonly sweeps: number;
}

/** Where a frame lies in the arena. */
export interface Prepared {
  /** The job's numbers: what every call of the kernel is told. */
  readonly numbers: number;
  readonly atFactor: number;
  /** Room for `columns` float32 more. */
  readonly atPivots: number;
  /** Words, scales and biases of the rows. */
  readonly outputs: readonly number[];
}

/** At 8 bits a stored scale has no digit left that would make a fit better. */
const mostRefitted = 6;
const totals = 6;

/** Lays rows `[start, end)` out in the arena, rounds them plainly and searches their scales. */
export function prepare(frame: TuneFrame, start: number, end: number): Prepared {
  const { columns, factor, order, diagonal } = frame;
  const count = end - start;
  const block = wasm.tune_block_size();
  const layout = new Layout();
  const rowBytes = columns * bytesPerElement[frame.from]!;
  const pairs = (columns / frame.groupSize) * bytesPerElement[frame.store]!;
  const atWeights = layout.place(count * rowBytes);
  const outputs = [(columns * frame.bits) / 8, pairs, pairs].map((each) =>
    layout.place(count * each),
  );
  const [atOrder, atDiagonal, atPivots] = [1, 2, 3].map(() => layout.place(4 * columns)) as [
    number,
    number,
    number,
  ];
  const atFactor = layout.place(factor ? 4 * Math.min(block, columns) * columns : 0);
  const [atTotals, atNumbers] = [layout.place(8 * totals), layout.place(4 * 16)];
  const numbers = (base: number, room: number): Uint32Array => {
    const shape = [
      count,
      columns,
      frame.bits,
      frame.groupSize,
      dtypeCode[frame.store],
      frame.sweeps,
    ];
    const more = [Number(frame.bits <= mostRefitted), dtypeCode[frame.from]];
    const read = [base + atWeights, order ? base + atOrder : 0, base + atDiagonal];
    const written = outputs.map((offset) => base + offset);
    return Uint32Array.from([...shape, ...more, ...read, ...written, room, base + atTotals]);
  };
  const room = layout.place(8 * roomOf(numbers(1, 0)));
  const base = layout.claim();
  new Uint32Array(memory.buffer, base + atNumbers, 16).set(numbers(base, base + room));
  if (order) new Uint32Array(memory.buffer, base + atOrder, columns).set(order);
  const weights = new Float32Array(memory.buffer, base + atDiagonal, columns);
  if (diagonal) weights.set(diagonal);
  else weights.fill(1);
  copyIn(base + atWeights, frame.weights, start * rowBytes, end * rowBytes);
  wasm.tune_prepare(base + atNumbers);
  const at = (offset: number) => base + offset;
  return {
    numbers: at(atNumbers),
    atFactor: at(atFactor),
    atPivots: at(atPivots),
    outputs: outputs.map(at),
  };
}

/** Copies the factor in block by block, from the last positions to the first. */
export function eachBlock(
  factor: Float32Array<SharedArrayBuffer>,
  columns: number,
  atFactor: number,
  visit: (left: number, right: number) => void,
): void {
  const block = wasm.tune_block_size();
  for (let right = columns; right > 0; right -= block) {
    const left = Math.max(0, right - block);
    copyRectangleIn(atFactor, {
      data: factor,
      columns,
      top: left,
      bottom: right,
      left,
      right: columns,
    });
    visit(left, right);
  }
}

/** Asked of the kernel before anything else lies in the arena. */
function roomOf(numbers: Uint32Array): number {
  const layout = new Layout();
  layout.place(numbers.byteLength);
  const base = layout.claim();
  new Uint32Array(memory.buffer, base, numbers.length).set(numbers);
  return wasm.tune_room(base);
}

/** The sums over a frame's rows so far. */
export function readTotals(numbers: number) {
  const address = new Uint32Array(memory.buffer, numbers, 16)[15]!;
  const [loss, roundedLoss, roundedRows, squaredError, weightEnergy, nonFinite] = new Float64Array(
    memory.buffer,
    address,
    totals,
  ) as unknown as [number, number, number, number, number, number];
  return { loss, roundedLoss, roundedRows, squaredError, weightEnergy, nonFinite };
}
