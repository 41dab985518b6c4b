import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { memory } from "../arena.ts";
import type { Routine } from "../routine.ts";
import { rowOf } from "../triangle.ts";
import type { Width } from "../width.ts";
import { eachBlock, factorOf } from "./tune-blocks.ts";
import {
  checkFrame,
  numbersPerRow,
  type Prepared,
  prepare,
  type TuneFrame,
  type TuneTask,
} from "./tune-frame.ts";

/**
 * Predicts the loss of tuning rows of a weight at several widths, without choosing codes
 * (kernel-wasm/src/forecast.rs).
 */
export interface ForecastJob extends TuneFrame {
  readonly widths: readonly Width[];
}

export interface ForecastAnswer {
  /** tr(W H Wᵀ): the loss of storing zeros. Without a factor, H is taken as its mean diagonal. */
  readonly energy: number;
  /** Expected tr(E H Eᵀ), by width. */
  readonly losses: readonly number[];
  /** NaN and ±Inf among the weights. If there are any, the other results are wrong. */
  readonly nonFinite: number;
}

export const forecast: Routine<ForecastJob, ForecastAnswer> = {
  describe: ({ rows, columns, widths }) =>
    `forecast of ${rows}x${columns} at ${widths.length} widths`,
  check(job, fail) {
    checkFrame(job, tasksOf(job), fail);
    if (job.sources.length !== 1) fail(`${job.sources.length} weights, expected 1`);
  },
  run(job) {
    const tasks = tasksOf(job);
    const losses = tasks.map(() => 0);
    let [energy, nonFinite] = [0, 0];
    const most = rowsOfPart(job.columns);
    const pivots = pivotsOf(job);
    for (let start = 0; start < job.rows; start += most) {
      const end = Math.min(job.rows, start + most);
      for (const [i, task] of tasks.entries()) {
        const prepared = prepare(job, [task], start, end);
        if (i === 0) nonFinite += prepared.nonFinite[0]!;
        if (nonFinite > 0) continue;
        new Float32Array(memory.buffer, prepared.atPivots, job.columns).set(pivots);
        losses[i]! += wasm.forecast_loss(prepared.call, 0, prepared.atPivots);
        if (i > 0) continue;
        energy += energyOf(job, prepared, pivots);
      }
    }
    return { energy, losses, nonFinite };
  },
};

/** Maximum number of weights in the arena: each takes some 20 bytes. */
const mostElements = 5 * 2 ** 20;

/** Rows that are added up together. Part of the results' bits. */
function rowsOfPart(columns: number): number {
  return Math.max(16, Math.floor(mostElements / columns / 16) * 16);
}

function tasksOf({ widths }: ForecastJob): readonly TuneTask[] {
  return widths.map((width) => ({ ...width, sweeps: 0 }));
}

/**
 * R_pp² in natural column order: the part of an error that no other column can compensate. Without
 * a factor: the diagonal.
 */
function pivotsOf({ columns, factor, order, diagonal }: ForecastJob): Float32Array {
  const pivots = new Float32Array(columns);
  if (factor === null || order === null)
    return diagonal === null ? pivots.fill(1) : new Float32Array(diagonal);
  for (let p = 0; p < columns; p++) pivots[order[p]!] = factor[rowOf(columns, p) + p]! ** 2;
  return pivots;
}

/** tr(W H Wᵀ) of the prepared rows. Without a factor, `pivots` are the diagonal of H. */
function energyOf(
  job: ForecastJob,
  { call, rows, atFactor, results }: Prepared,
  pivots: Float32Array,
): number {
  const factor = factorOf(job);
  let energy = 0;
  if (factor === null) {
    const sums = new Float64Array(memory.buffer, results[0]!.sums, numbersPerRow * rows);
    for (let row = 0; row < rows; row++) energy += sums[numbersPerRow * row + 3]!;
    return energy * meanOf(pivots);
  }
  wasm.forecast_energy_start(call);
  eachBlock(factor, atFactor, (left, right) => {
    energy = wasm.forecast_energy_block(call, left, right, atFactor);
  });
  return energy;
}

function meanOf(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
