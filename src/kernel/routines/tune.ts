import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyOut } from "../arena.ts";
import { bytesPerElement } from "../dtype.ts";
import { checkPacked, type Packed, packedBytes, packedParts } from "../packed.ts";
import type { Routine } from "../routine.ts";
import { checkShape, checkWidth } from "../width.ts";
import { eachBlock, factorOf, prepare, TuneCall, type TuneFrame } from "./tune-frame.ts";

/**
 * Quantizes rows of a weight so that tr(E H Eᵀ) becomes small, where E = W - Ŵ and Ŵ are the values
 * that a reader decodes. Steps: search for scales, GPTQ, coordinate descent. Rows where plain
 * rounding is better stay rounded.
 */
export interface TuneJob extends TuneFrame, Packed<Uint8Array<SharedArrayBuffer>> {
  /** Rows of the weight. Words, scales and biases are overwritten. */
  readonly rows: number;
}

/** Sums over the rows. */
export interface TuneAnswer {
  /** tr(E H Eᵀ) of the stored rows. */
  readonly loss: number;
  /** tr(E H Eᵀ) of plain rounding. */
  readonly roundedLoss: number;
  /** Rows that stay plainly rounded. */
  readonly roundedRows: number;
  /** Σ (w - ŵ)² of the stored rows. */
  readonly squaredError: number;
  /** Σ w² */
  readonly weightEnergy: number;
  /** NaN and ±Inf among the weights. If there are any, the bytes have no meaning. */
  readonly nonFinite: number;
}

/** Maximum number of weights in the arena: each takes some 30 bytes, results included. */
const mostElements = 5 * 2 ** 20;

/**
 * Rows that a worker holds at once; larger jobs are split. Jobs of this size are the fastest,
 * because part of the work is done once a job and grows with the cube of the columns.
 */
export function rowsOfJob(columns: number): number {
  return Math.max(16, Math.floor(mostElements / columns / 16) * 16);
}

export const tune: Routine<TuneJob, TuneAnswer> = {
  describe: ({ rows, columns, bits, groupSize }) =>
    `tuning of ${rows}x${columns} at ${bits} bits g${groupSize}`,
  check(job, fail) {
    const { rows, columns, factor, order, diagonal, sweeps } = job;
    checkShape(job, fail);
    if (!Number.isSafeInteger(sweeps) || sweeps < 0)
      fail(`${sweeps} sweeps, expected a whole number from 0`);
    checkWidth(job, columns, fail);
    const expected = rows * columns * bytesPerElement[job.from]!;
    if (job.weights.byteLength !== expected)
      fail(`weights have ${job.weights.byteLength} bytes, expected ${expected}`);
    checkPacked(job, packedBytes(job, job, job.store), fail);
    if (diagonal && diagonal.length !== columns)
      fail(`the diagonal has ${diagonal.length} elements`);
    if ((factor === null) !== (order === null))
      fail("expected both a factor and its order, or neither");
    if (!factor || !order) return;
    if (factor.length !== columns * columns) fail(`the factor has ${factor.length} elements`);
    if (
      order.length !== columns ||
      new Set(order).size !== columns ||
      order.some((column) => column >= columns)
    ) {
      fail("the order is not a permutation of the columns");
    }
  },
  run(job) {
    const parts: TuneAnswer[] = [];
    const most = rowsOfJob(job.columns);
    for (let start = 0; start < job.rows; start += most) {
      parts.push(tuneRows(job, start, Math.min(job.rows, start + most)));
    }
    const sum = (of: (part: TuneAnswer) => number) =>
      parts.reduce((total, part) => total + of(part), 0);
    return {
      // Losses are updated by float32 differences. For weights that the format represents exactly,
      // the sum may end just below 0.
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
  const { call, atFactor, outputs } = prepare(job, start, end);
  const answer = () => TuneCall.read(call);
  if (answer().nonFinite > 0) return answer();
  const factor = factorOf(job);
  if (factor) {
    eachBlock(factor, atFactor, (left, right) => wasm.tune_block(call, left, right, atFactor));
  }
  wasm.tune_finish(call);
  for (const [i, part] of packedParts.entries()) {
    const each = job[part].byteLength / job.rows;
    copyOut(outputs[i]!, job[part], start * each, end * each);
  }
  return answer();
}
