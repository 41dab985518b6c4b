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
import type { ProbeShare } from "./probe-shares.ts";
import { probeIndex } from "./probe-width.ts";
import type { ProbeResult } from "./probes.ts";
import { isExpertMeasured } from "./sampling.ts";

/** Results of the measuring walk. */
export interface Outcome {
  /** The quantizable tensors. */
  readonly tensors: readonly PlannedTensor[];
  readonly storage: FloatDtype;
  readonly losses: LossTable;
  /** Module -> error power in the hidden states after its block, relative to their power. */
  readonly blockErrors: ReadonlyMap<string, number>;
  /** By module in a block. */
  readonly shares: ReadonlyMap<string, ProbeShare>;
  /** By name: that of a module, or that of a part of a block. */
  readonly probes: ReadonlyMap<string, ProbeResult>;
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
    depthGain: gainsOf(outcome, mean),
    together: { forcedKl: mean(outcome.forced), freeKl: mean(outcome.free), flipPower },
    check: outcome.losses.checks(outcome.tensors.map(modulePath)),
    tensors,
  };
}

/** KL per unit of the error power that a block's probes have in the hidden states after it. */
function gainsOf({ tensors, shares, probes, blockErrors }: Outcome, mean: Mean) {
  const layers = new Map<number, { errors: number; names: Set<string> }>();
  for (const tensor of tensors) {
    if (tensor.layer === null) continue;
    const module = modulePath(tensor);
    const own = layers.get(tensor.layer) ?? { errors: 0, names: new Set() };
    own.errors += blockErrors.get(module)!;
    own.names.add(shares.get(module)!.probe);
    layers.set(tensor.layer, own);
  }
  return [...layers]
    .filter(([, { errors }]) => errors > 0)
    .map(([layer, { errors, names }]) => {
      const kl = [...names].reduce((sum, name) => sum + mean(probes.get(name)!.divergence), 0);
      return { depth: layer + 1, gain: kl / errors };
    });
}

/**
 * A probe changes all tensors of a part of a block, and each has a share of its KL and flip power
 * (sharesOf). Both are quadratic in the error. So the costs at a width
 * are those of the probe, times the ratio of the two widths' Hessian-weighted errors. Where only
 * some experts of a stack were tuned for the probe and the others rounded, the costs are scaled to
 * those of tuning all.
 */
function costsOfTensor(
  tensor: PlannedTensor,
  { probes, shares, losses, blockErrors, storage }: Outcome,
  rows: ProbeRows,
  mean: Mean,
): MeasuredTensor {
  const module = modulePath(tensor);
  const { probe, kl, flips } = shares.get(module) ?? { probe: module, kl: 1, flips: 1 };
  const { divergence, ...result } = probes.get(probe)!;
  const scale = tunedShare(tensor, losses.gain(module));
  const forcedKl = scale * kl * mean(divergence);
  const flipPower = scale * flips * result.flipPower;
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

type Mean = (divergence: Float64Array) => number;

/** Error of a stack of tuned experts relative to one of which the unmeasured ones are rounded. */
function tunedShare(tensor: PlannedTensor, gain: number): number {
  const { role, sources } = tensor;
  if (role.routed !== true) return 1;
  const measured = sources.filter((_, expert) => isExpertMeasured(tensor, expert)).length;
  const tuned = measured / sources.length;
  return gain / (tuned * gain + 1 - tuned);
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
