import type { FloatDtype } from "../kernel/dtype.ts";
import { modulePath, quantizedBytes } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import {
  type LayerExperts,
  type MeasuredTensor,
  measuredBits,
  type Sensitivity,
} from "../plan/sensitivity-types.ts";
import { tierGroupSize } from "../plan/tiers.ts";
import type { LossTable } from "./loss-table.ts";
import type { ProbeRows } from "./probe-rows.ts";
import { probeIndex } from "./probe-width.ts";

/** What the walk found, before it is put into prices. Divergences are KL(base ‖ probe) by judged position. */
export interface Outcome {
  readonly tensors: readonly PlannedTensor[];
  readonly storage: FloatDtype;
  readonly losses: LossTable;
  readonly blockErrors: ReadonlyMap<string, number>;
  readonly probes: ReadonlyMap<
    string,
    { readonly divergence: Float64Array; readonly flipPower: number }
  >;
  readonly noise: readonly {
    readonly depth: number;
    readonly relative: number;
    readonly divergence: Float64Array;
  }[];
  /** All tensors at the probe's width. */
  readonly forced: Float64Array;
  readonly free: Float64Array;
  readonly experts: readonly LayerExperts[];
}

/** KL and flip power are quadratic in the error: a width's price is the probe's, times the ratio of their Hessian-weighted errors. */
export function costsOf(
  outcome: Outcome,
  rows: ProbeRows,
): Pick<Sensitivity, "depthGain" | "together" | "check" | "tensors"> {
  const weights = Float64Array.from(rows.judged, (token) => rows.weights[token]!);
  const mean = (values: Float64Array) => weightedMean(values, weights);
  const tensors = outcome.tensors.map((tensor): MeasuredTensor => {
    const module = modulePath(tensor);
    const { divergence, flipPower } = outcome.probes.get(module)!;
    const forcedKl = mean(divergence);
    const errors = outcome.losses.errors(module);
    const widths = measuredBits.map((bits, i) => {
      const ratio = errors[probeIndex]! > 0 ? errors[i]! / errors[probeIndex]! : 0;
      const bytes = quantizedBytes(
        tensor.shape,
        { bits, groupSize: tierGroupSize },
        outcome.storage,
      );
      return {
        bits,
        bytes,
        error: errors[i]!,
        forcedKl: forcedKl * ratio,
        flipPower: flipPower * ratio,
      };
    });
    return {
      module,
      role: tensor.role.role,
      layer: tensor.layer,
      widths,
      byDomain: domainShares(divergence, rows),
      blockError: outcome.blockErrors.get(module) ?? 0,
    };
  });
  const flipPower = tensors.reduce((sum, { widths }) => sum + widths[probeIndex]!.flipPower, 0);
  return {
    depthGain: outcome.noise.map(({ depth, relative, divergence }) => ({
      depth,
      gain: mean(divergence) / relative,
    })),
    together: { forcedKl: mean(outcome.forced), freeKl: mean(outcome.free), flipPower },
    check: outcome.losses.checks(outcome.tensors.map(modulePath)),
    tensors,
  };
}

function weightedMean(values: Float64Array, weights: Float64Array): number {
  return values.reduce((sum, value, i) => sum + value * weights[i]!, 0) / values.length;
}

/** Shares of the weighted sum, by domain. */
function domainShares(
  divergence: Float64Array,
  { domains, domainOf, weights, judged }: ProbeRows,
): number[] {
  const sums = domains.map(() => 0);
  for (const [i, token] of judged.entries())
    sums[domainOf[token]!]! += divergence[i]! * weights[token]!;
  const total = sums.reduce((sum, value) => sum + value, 0);
  return sums.map((value) => (total > 0 ? value / total : 0));
}
