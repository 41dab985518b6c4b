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

/** Results of one probe. */
export interface ProbeResult {
  /** KL(base ‖ probe) in nats, by judged position. */
  readonly divergence: Float64Array;
  readonly flipPower: number;
}

/** Results of the measuring walk. */
export interface Outcome {
  /** The quantizable tensors. */
  readonly tensors: readonly PlannedTensor[];
  readonly storage: FloatDtype;
  readonly losses: LossTable;
  /** Module -> error power in the hidden states after its block, relative to their power. */
  readonly blockErrors: ReadonlyMap<string, number>;
  /** By module, and by name of a depth with noise. */
  readonly probes: ReadonlyMap<string, ProbeResult>;
  readonly noise: readonly {
    readonly depth: number;
    /** Power of the noise, relative to that of the hidden states. */
    readonly relative: number;
    readonly divergence: Float64Array;
  }[];
  /** KL by judged position, all tensors being at the probe's width. */
  readonly forced: Float64Array;
  readonly free: Float64Array;
  readonly experts: readonly LayerExperts[];
}

type Costs = Pick<Sensitivity, "depthGain" | "together" | "check" | "tensors">;

/** The costs of every tensor at every width, from the results of the walk. */
export function costsOf(outcome: Outcome, rows: ProbeRows): Costs {
  const weights = Float64Array.from(rows.judged, (token) => rows.weights[token]!);
  const mean = (values: Float64Array) => weightedMean(values, weights);
  const tensors = outcome.tensors.map((tensor) => costsOfTensor(tensor, outcome, rows, mean));
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

/**
 * KL and flip power are quadratic in the error. So the costs at a width are those of the probe,
 * times the ratio of the two widths' Hessian-weighted errors.
 */
function costsOfTensor(
  tensor: PlannedTensor,
  { probes, losses, blockErrors, storage }: Outcome,
  rows: ProbeRows,
  mean: (values: Float64Array) => number,
): MeasuredTensor {
  const module = modulePath(tensor);
  const { divergence, flipPower } = probes.get(module)!;
  const forcedKl = mean(divergence);
  const errors = losses.errors(module);
  const widths = measuredBits.map((bits, i) => {
    const error = errors[i]!;
    const ratio = errors[probeIndex]! > 0 ? error / errors[probeIndex]! : 0;
    const bytes = quantizedBytes(tensor.shape, { bits, groupSize: tierGroupSize }, storage);
    return { bits, bytes, error, forcedKl: forcedKl * ratio, flipPower: flipPower * ratio };
  });
  return {
    module,
    role: tensor.role.role,
    layer: tensor.layer,
    widths,
    byDomain: domainShares(divergence, rows),
    blockError: blockErrors.get(module) ?? 0,
  };
}

function weightedMean(values: Float64Array, weights: Float64Array): number {
  return values.reduce((sum, value, i) => sum + value * weights[i]!, 0) / values.length;
}

/** Share of each domain in the weighted sum. */
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
