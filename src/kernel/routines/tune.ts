import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyOut } from "../arena.ts";
import { bytesOf } from "../matrix.ts";
import { checkPacked, type Packed, packedBytes, packedParts } from "../packed.ts";
import type { Routine } from "../routine.ts";
import { eachBlock, factorOf } from "./tune-blocks.ts";
import { checkFrame, numbersPerRow, prepare, type TuneFrame, type TuneTask } from "./tune-frame.ts";
import { rowsAtOnce } from "./tune-memory.ts";

/**
 * Quantizes rows of a weight at several widths so that tr(E H Eᵀ) becomes small, where E = W - Ŵ
 * and Ŵ are the values that a reader decodes. Steps: search for scales, GPTQ, coordinate descent.
 * Rows where plain rounding is better stay rounded. Widths share the work that depends on H alone.
 */
export interface TuneJob extends TuneFrame {
  readonly tasks: readonly TuneTask[];
  /** Overwritten: the result of each task. */
  readonly out: readonly TunedOut[];
}

export interface TunedOut extends Packed<Uint8Array<SharedArrayBuffer>> {
  /**
   * `[rows, 4]` For each row: e H eᵀ of the stored values (e are the row's errors), the same for
   * plain rounding, Σ (w - ŵ)² of the stored values, Σ w². The first two are equal where the row
   * stays plainly rounded. With `sampled`, the second is infinite where tuning is better, but for
   * every eighth 16 rows of the matrix.
   */
  readonly sums: Float64Array<SharedArrayBuffer>;
}

export interface TuneAnswer {
  /** By task: NaN and ±Inf among the weights. If there are any, the results have no meaning. */
  readonly nonFinite: readonly number[];
}

export const tune: Routine<TuneJob, TuneAnswer> = {
  describe: ({ rows, columns, tasks }) => {
    const widths = tasks.map(({ bits, groupSize }) => `${bits} bits g${groupSize}`);
    return `tuning of ${rows}x${columns} at ${widths.join(", ")}`;
  },
  check(job, fail) {
    const { tasks, out, store, rows } = job;
    checkFrame(job, tasks, fail);
    if (out.length !== tasks.length) fail(`${out.length} outputs for ${tasks.length} widths`);
    for (const [i, task] of tasks.entries()) {
      checkPacked(out[i]!, packedBytes(job, task, store), fail);
      const { length } = out[i]!.sums;
      if (length !== numbersPerRow * rows) fail(`${length} sums for ${rows} rows`);
    }
  },
  run(job) {
    const most = rowsAtOnce(job.columns, job.tasks, {
      sources: job.sources.length,
      window: job.window,
    });
    const nonFinite = job.tasks.map(() => 0);
    for (let start = 0; start < job.rows; start += most) {
      const counts = tuneRows(job, start, Math.min(job.rows, start + most));
      for (const [i, count] of counts.entries()) nonFinite[i]! += count;
    }
    return { nonFinite };
  },
};

/** Rows `[start, end)`. Returns the numbers of weights that are not finite. */
function tuneRows(job: TuneJob, start: number, end: number): readonly number[] {
  const { call, atFactor, results, nonFinite } = prepare(job, job.tasks, start, end);
  if (nonFinite.some((count) => count > 0)) return nonFinite;
  const factor = factorOf(job);
  if (factor) {
    const visit = (block: typeof wasm.tune_block) =>
      eachBlock(factor, atFactor, (left, right) => block(call, left, right, atFactor));
    if (!job.sampled) visit(wasm.tune_rounded_block);
    visit(wasm.tune_block);
    if (job.sampled) {
      wasm.tune_compare(call);
      visit(wasm.tune_rounded_block);
    }
  }
  wasm.tune_finish(call);
  for (const [i, out] of job.out.entries()) {
    const copy = (from: number, into: Uint8Array) => {
      const each = into.byteLength / job.rows;
      copyOut(from, into, start * each, end * each);
    };
    for (const part of packedParts) copy(results[i]![part], out[part]);
    copy(results[i]!.sums, bytesOf(out.sums));
  }
  return nonFinite;
}
