import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyIn, copyOut, copyRectangleIn, dtypeCode, Layout, memory } from "../arena.ts";
import { bytesPerElement, type FloatDtype } from "../dtype.ts";
import type { Routine } from "../routine.ts";
import { type Bits, checkWidth, type GroupSize } from "../width.ts";

/**
 * Quantizes rows of a weight so that tr(E H Eᵀ) becomes small, E = W - Ŵ with Ŵ as a reader decodes it: scales searched, GPTQ, coordinate
 * descent. Row by row the result is never worse than plain rounding, which is kept where tuning found nothing better.
 */
export interface TuneJob {
  /** `[rows, columns]` in `from`, row-major, columns in natural order. */
  readonly weights: Uint8Array<SharedArrayBuffer>;
  readonly from: FloatDtype;
  readonly rows: number;
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
  /** Written, of exact lengths: as in QuantizedTile. */
  readonly words: Uint8Array<SharedArrayBuffer>;
  readonly scales: Uint8Array<SharedArrayBuffer>;
  readonly biases: Uint8Array<SharedArrayBuffer>;
}

/** Sums over the rows. */
export interface TuneAnswer {
  /** tr(E H Eᵀ) of what is stored. */
  readonly loss: number;
  /** The same of plain rounding. */
  readonly roundedLoss: number;
  /** Rows that plain rounding was kept in. */
  readonly roundedRows: number;
  /** Σ (w - ŵ)² of what is stored. */
  readonly squaredError: number;
  /** Σ w² */
  readonly weightEnergy: number;
  /** NaN and ±Inf among the weights. With any, the bytes mean nothing. */
  readonly nonFinite: number;
}

/** At 8 bits a stored scale has no digit left that would make a fit better. */
const mostRefitted = 6;
/** Weights in the arena at once: they and what is computed for each take some 30 bytes. */
const mostElements = 5 * 2 ** 20;

/**
 * Rows that a worker holds at once. Jobs of so many are the fastest: part of the work is done once a job, whatever its rows
 * (it grows with the cube of the columns). More go in parts.
 */
export function rowsOfJob(columns: number): number {
  return Math.max(16, Math.floor(mostElements / columns / 16) * 16);
}

export const tune: Routine<TuneJob, TuneAnswer> = {
  describe: ({ rows, columns, bits, groupSize }) => `tuning of ${rows}x${columns} at ${bits} bits g${groupSize}`,
  check(job, fail) {
    const { rows, columns, factor, order, diagonal, sweeps } = job;
    for (const n of [rows, columns]) {
      if (!Number.isSafeInteger(n) || n < 1) fail("rows and columns must be whole numbers above 0");
    }
    if (!Number.isSafeInteger(sweeps) || sweeps < 0) fail(`${sweeps} sweeps`);
    checkWidth(job, columns, fail);
    const pairs = ((rows * columns) / job.groupSize) * bytesPerElement[job.store]!;
    const expected = {
      weights: rows * columns * bytesPerElement[job.from]!,
      words: (rows * columns * job.bits) / 8,
      scales: pairs,
      biases: pairs,
    };
    for (const [name, bytes] of Object.entries(expected) as [keyof typeof expected, number][]) {
      if (job[name].byteLength !== bytes) fail(`${name} have ${job[name].byteLength} bytes, expected ${bytes}`);
    }
    if (diagonal && diagonal.length !== columns) fail(`the diagonal has ${diagonal.length} elements`);
    if ((factor === null) !== (order === null)) fail("a factor and its order come together");
    if (!factor || !order) return;
    if (factor.length !== columns * columns) fail(`the factor has ${factor.length} elements`);
    if (order.length !== columns || new Set(order).size !== columns || order.some((column) => column >= columns)) {
      fail("the order is no permutation of the columns");
    }
  },
  run(job) {
    const parts: TuneAnswer[] = [];
    const most = rowsOfJob(job.columns);
    for (let start = 0; start < job.rows; start += most) {
      parts.push(tuneRows(job, start, Math.min(job.rows, start + most)));
    }
    const sum = (of: (part: TuneAnswer) => number) => parts.reduce((total, part) => total + of(part), 0);
    return {
      // Carried along in float32: of weights that the format holds exactly it may end just below zero.
      loss: Math.max(
        0,
        sum(({ loss }) => loss),
      ),
      roundedLoss: sum(({ roundedLoss }) => roundedLoss),
      roundedRows: sum(({ roundedRows }) => roundedRows),
      squaredError: sum(({ squaredError }) => squaredError),
      weightEnergy: sum(({ weightEnergy }) => weightEnergy),
      nonFinite: sum(({ nonFinite }) => nonFinite),
    };
  },
};

/** Rows `[start, end)`. */
function tuneRows(job: TuneJob, start: number, end: number): TuneAnswer {
  const { rows, columns, factor, order, diagonal } = job;
  const block = wasm.tune_block_size();
  const layout = new Layout();
  const inputs = place(layout, [job.weights], rows, end - start);
  const outputs = place(layout, [job.words, job.scales, job.biases], rows, end - start);
  const [atOrder, atDiagonal] = [layout.place(4 * columns), layout.place(4 * columns)];
  const atFactor = layout.place(factor ? 4 * Math.min(block, columns) * columns : 0);
  const [atTotals, atNumbers] = [layout.place(8 * totals), layout.place(4 * 16)];
  const numbers = (base: number, room: number): Uint32Array => {
    const address = ({ offset }: { offset: number }) => base + offset;
    const shape = [end - start, columns, job.bits, job.groupSize, dtypeCode[job.store], job.sweeps];
    const more = [Number(job.bits <= mostRefitted), dtypeCode[job.from]];
    const read = [...inputs.map(address), order ? base + atOrder : 0, base + atDiagonal];
    return Uint32Array.from([...shape, ...more, ...read, ...outputs.map(address), room, base + atTotals]);
  };
  const room = layout.place(8 * roomOf(numbers(1, 0)));
  const base = layout.claim();
  new Uint32Array(memory.buffer, base + atNumbers, 16).set(numbers(base, base + room));
  if (order) new Uint32Array(memory.buffer, base + atOrder, columns).set(order);
  const weights = new Float32Array(memory.buffer, base + atDiagonal, columns);
  if (diagonal) weights.set(diagonal);
  else weights.fill(1);
  for (const { bytes, each, offset } of inputs) copyIn(base + offset, bytes, start * each, end * each);
  wasm.tune_prepare(base + atNumbers);
  const answer = () => readTotals(base + atTotals);
  if (answer().nonFinite > 0) return answer();
  for (let right = factor ? columns : 0; right > 0; right -= block) {
    const left = Math.max(0, right - block);
    copyRectangleIn(base + atFactor, { data: factor!, columns, top: left, bottom: right, left, right: columns });
    wasm.tune_block(base + atNumbers, left, right, base + atFactor);
  }
  wasm.tune_finish(base + atNumbers);
  for (const { bytes, each, offset } of outputs) copyOut(base + offset, bytes, start * each, end * each);
  return answer();
}

/** Room for `count` rows of each. */
function place(layout: Layout, all: readonly Uint8Array[], rows: number, count: number) {
  return all.map((bytes) => {
    const each = bytes.byteLength / rows;
    return { bytes, each, offset: layout.place(count * each) };
  });
}

/** Asked of the kernel before anything else lies in the arena. */
function roomOf(numbers: Uint32Array): number {
  const layout = new Layout();
  layout.place(numbers.byteLength);
  const base = layout.claim();
  new Uint32Array(memory.buffer, base, numbers.length).set(numbers);
  return wasm.tune_room(base);
}

const totals = 6;

function readTotals(address: number): TuneAnswer {
  const [loss, roundedLoss, roundedRows, squaredError, weightEnergy, nonFinite] = new Float64Array(
    memory.buffer,
    address,
    totals,
  ) as unknown as [number, number, number, number, number, number];
  return { loss, roundedLoss, roundedRows, squaredError, weightEnergy, nonFinite };
}
