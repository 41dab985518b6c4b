import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { memory } from "../arena.ts";
import type { Matrix } from "../matrix.ts";
import type { Routine } from "../routine.ts";
import { checkShape, checkWidth, type Width } from "../width.ts";
import { rowsOfJob } from "./tune.ts";
import { eachBlock, factorOf, prepare, TuneCall, type TuneFrame } from "./tune-frame.ts";

/**
 * Predicts the loss of tuning rows of a weight at several widths, without choosing codes
 * (kernel-wasm/src/forecast.rs).
 */
export interface ForecastJob extends Omit<TuneFrame, "bits" | "groupSize" | "sweeps"> {
  readonly rows: number;
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
    const { columns, factor, order, diagonal, widths } = job;
    checkShape(job, fail);
    for (const width of widths) checkWidth(width, columns, fail);
    if (widths.length === 0) fail("there is no width");
    if (diagonal && diagonal.length !== columns)
      fail(`the diagonal has ${diagonal.length} elements`);
    if ((factor === null) !== (order === null))
      fail("expected both a factor and its order, or neither");
    if (factor && factor.length !== columns * columns)
      fail(`the factor has ${factor.length} elements`);
    if (order && order.length !== columns) fail(`the order has ${order.length} elements`);
  },
  run(job) {
    const losses = job.widths.map(() => 0);
    let [energy, nonFinite] = [0, 0];
    const most = rowsOfJob(job.columns);
    const pivots = pivotsOf(job);
    for (let start = 0; start < job.rows; start += most) {
      const end = Math.min(job.rows, start + most);
      for (const [i, width] of job.widths.entries()) {
        const { call, atFactor, atPivots } = prepare({ ...job, ...width, sweeps: 0 }, start, end);
        if (i === 0) nonFinite += TuneCall.read(call).nonFinite;
        if (nonFinite > 0) continue;
        new Float32Array(memory.buffer, atPivots, job.columns).set(pivots);
        losses[i]! += wasm.forecast_loss(call, atPivots);
        if (i > 0) continue;
        const factor = factorOf(job);
        if (factor === null) energy += TuneCall.read(call).weightEnergy * meanOf(pivots);
        else energy += energyOf(factor, call, atFactor);
      }
    }
    return { energy, losses, nonFinite };
  },
};

/**
 * R_pp² in natural column order: the part of an error that no other column can compensate. Without
 * a factor: the diagonal.
 */
function pivotsOf({ columns, factor, order, diagonal }: ForecastJob): Float32Array {
  const pivots = new Float32Array(columns);
  if (factor === null || order === null)
    return diagonal === null ? pivots.fill(1) : new Float32Array(diagonal);
  for (let p = 0; p < columns; p++) pivots[order[p]!] = factor[p * columns + p]! ** 2;
  return pivots;
}

function energyOf(factor: Matrix, call: number, atFactor: number): number {
  wasm.forecast_energy_start(call);
  let energy = 0;
  eachBlock(factor, atFactor, (left, right) => {
    energy = wasm.forecast_energy_block(call, left, right, atFactor);
  });
  return energy;
}

function meanOf(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
