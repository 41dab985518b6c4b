import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { bytesOf, copyIn, copyOut, copyRectangleIn, dtypeCode, Layout, memory } from "../arena.ts";
import { bytesPerElement, type FloatDtype } from "../dtype.ts";
import type { Routine } from "../routine.ts";
import type { Bits, GroupSize } from "../width.ts";

/**
 * Quantizes rows of a matrix at one width so that tr(E H Eᵀ) is low, E the error of the weights as stored. Rows are independent: how
 * a matrix is cut does not show in the result.
 */
export interface TuneJob {
  /** `[rows, columns]` of the base in `from`, columns in their natural order. */
  readonly weights: Uint8Array<SharedArrayBuffer>;
  readonly from: FloatDtype;
  readonly rows: number;
  /** A multiple of the group size. */
  readonly columns: number;
  /** Dtype of scales and biases as stored. */
  readonly store: FloatDtype;
  /** Upper factor R `[columns, columns]` of the Hessian in the order of `order` (kernel/factorize.ts); null: only the diagonal counts. */
  readonly factor: Float32Array<SharedArrayBuffer> | null;
  /** Column of each position `[columns]`, that of the largest moment last; null: natural order. */
  readonly order: Uint32Array<SharedArrayBuffer> | null;
  /** Diagonal of the Hessian by column `[columns]`; null: all alike. */
  readonly diagonal: Float32Array<SharedArrayBuffer> | null;
  readonly bits: Bits;
  readonly groupSize: GroupSize;
  /**
   * Coordinate descent: codes are revised after every block of columns, and this many times more after the last. 0: each code is final
   * when it is chosen, as in plain GPTQ; so also above `widestDescent` columns.
   */
  readonly sweeps: number;
  /** Written: U32 `[rows, columns * bits / 32]`, and `[rows, columns / groupSize]` in `store`. */
  readonly words: Uint8Array<SharedArrayBuffer>;
  readonly scales: Uint8Array<SharedArrayBuffer>;
  readonly biases: Uint8Array<SharedArrayBuffer>;
}

/** Sums over the rows. Losses are tr(E H Eᵀ) with the H of `factor`, else Σ diagonal · E². */
export interface TuneAnswer {
  readonly loss: number;
  /** Of plain rounding against stored scales and biases, and rows where it was no worse and was kept. */
  readonly roundedLoss: number;
  readonly roundedRows: number;
  /** Σ (w - ŵ)² and Σ w². */
  readonly squaredError: number;
  readonly weightEnergy: number;
  /** NaN and infinite weights; with any, nothing else means anything. */
  readonly nonFinite: number;
}

/** Positions a panel of the factor (tuner.rs, BLOCK). */
const panelHeight = 64;
/** Descent keeps a square matrix of this width in the instance. */
export const widestDescent = 4096;

export const tune: Routine<TuneJob, TuneAnswer> = {
  describe: ({ rows, columns, bits, groupSize }) => `tuning of ${rows}x${columns} to ${bits} bits g${groupSize}`,
  check(job, fail) {
    const { rows, columns, bits, groupSize } = job;
    if (columns % groupSize !== 0) fail(`${columns} columns are no multiple of the group`);
    const expect = (what: string, array: { length: number } | null, length: number) => {
      if (array !== null && array.length !== length) fail(`${what} have ${array.length} elements, expected ${length}`);
    };
    const pairs = ((rows * columns) / groupSize) * bytesPerElement[job.store]!;
    expect("weights", job.weights, rows * columns * bytesPerElement[job.from]!);
    expect("words", job.words, (rows * columns * bits) / 8);
    expect("scales", job.scales, pairs);
    expect("biases", job.biases, pairs);
    expect("factors", job.factor, columns * columns);
    expect("positions", job.order, columns);
    expect("moments", job.diagonal, columns);
    if (job.factor !== null && job.order === null) fail("a factor without its order");
    if (job.order?.some((column) => column >= columns)) fail("the order names a column that is not there");
  },
  run: (job) => {
    const { rows, columns, factor, words, scales, biases } = job;
    const descends = factor !== null && job.sweeps > 0 && columns <= widestDescent;
    const layout = new Layout();
    const weights = layout.place(Math.max(job.weights.length, words.length + scales.length + biases.length + 192));
    const [order, moments] = [layout.place(4 * columns), layout.place(4 * columns)];
    const panel = layout.place(4 * panelHeight * columns);
    const sums = layout.place(8 * 6);
    const base = layout.claim();
    copyIn(base + weights, job.weights, 0, job.weights.length);
    const [orderView, momentsView] = [
      new Uint32Array(memory.buffer, base + order, columns),
      floats(base + moments, columns),
    ];
    orderView.set(job.order ?? Array.from({ length: columns }, (_, i) => i));
    if (job.diagonal === null) momentsView.fill(1);
    else momentsView.set(job.diagonal);
    const [from, store] = [dtypeCode[job.from], dtypeCode[job.store]];
    const shape = [rows, columns, store, job.bits, job.groupSize] as const;
    const tuner = wasm.open_tuner(base + weights, from, ...shape, base + order, base + moments, descends);
    const walk = (weigh: boolean) => {
      for (let end = columns; end > 0; end -= panelHeight) {
        const start = Math.max(0, end - panelHeight);
        const place = { data: factor!, columns, top: start, bottom: end, left: start, right: columns };
        copyRectangleIn(base + panel, place);
        wasm.step_tuner(tuner, base + panel, start, end, weigh);
      }
    };
    if (factor === null) {
      wasm.weigh_tuner(tuner, base + moments);
    } else {
      walk(false);
      if (descends) {
        wasm.revise_tuner(tuner, job.sweeps);
        walk(true);
      }
    }
    const outputs = [words, scales, biases];
    const places = [0, pad(words.length), pad(words.length) + pad(scales.length)].map((at) => base + weights + at);
    wasm.close_tuner(tuner, places[0]!, places[1]!, places[2]!, base + sums);
    for (const [i, bytes] of outputs.entries()) copyOut(places[i]!, bytesOf(bytes), 0, bytes.length);
    const [loss, roundedLoss, roundedRows, squaredError, weightEnergy, nonFinite] = new Float64Array(
      memory.buffer,
      base + sums,
      6,
    ) as unknown as [number, number, number, number, number, number];
    return { loss, roundedLoss, roundedRows, squaredError, weightEnergy, nonFinite };
  },
};

const floats = (address: number, count: number) => new Float32Array(memory.buffer, address, count);
const pad = (bytes: number) => Math.ceil(bytes / 64) * 64;
