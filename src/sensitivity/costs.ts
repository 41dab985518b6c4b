import { total } from "../ground/sum.ts";
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
import type { JointResults } from "./joint-probes.ts";
import type { LossTable } from "./loss-table.ts";
import type { ProbeRows } from "./probe-rows.ts";
import type { ProbeShare } from "./probe-shares.ts";
import { probeIndex } from "./probe-width.ts";
import type { ProbeResult } from "./probes.ts";
import { isExpertMeasured } from "./sampling.ts";

/** Costs of a table that is embeddings and head at once, at the probe's width (tied-table.ts). */
export interface MeasuredTied {
  readonly module: string;
  /** Every mix of its two Hessians, given as the share of the head. */
  readonly tried: readonly { readonly mix: number; readonly result: ProbeResult }[];
}

/** Results of the measuring walk. */
export interface WalkResults extends JointResults {
  /** The quantizable tensors. */
  readonly tensors: readonly PlannedTensor[];
  readonly storage: FloatDtype;
  readonly losses: LossTable;
  /** Experts of a layer that were tuned at most; the others were rounded. */
  readonly mostExperts: number;
  /** Module -> error power in the hidden states after its block, relative to their power. */
  readonly blockErrors: ReadonlyMap<string, number>;
  /** By module in a block. */
  readonly shares: ReadonlyMap<string, ProbeShare>;
  /** By name: that of a module, or that of a part of a block. */
  readonly probes: ReadonlyMap<string, ProbeResult>;
  readonly experts: readonly LayerExperts[];
  /** Null if embeddings and head are two tables. `probes` then has the looked-up table alone. */
  readonly tied: MeasuredTied | null;
}

type Costs = Pick<Sensitivity, "depthGain" | "together" | "check" | "tensors" | "tied">;

/** The costs of every tensor at every width, from the results of the walk. */
export function costsOf(results: WalkResults, rows: ProbeRows): Costs {
  const weights = Float64Array.from(rows.compared, (token) => rows.weights[token]!);
  const mean = (values: Float64Array) => weightedMean(values, weights);
  const probed = results.tensors.map((tensor) => costsOfTensor(tensor, results, rows, mean));
  const flipPower = probed.reduce((sum, { widths }) => sum + widths[probeIndex]!.flipPower, 0);
  const together = {
    forcedKl: weightedMean(results.forced, results.positionWeights),
    freeKl: weightedMean(results.free, results.positionWeights),
    flipPower,
  };
  const tied = results.tied && chooseMix(results.tied, together, mean);
  const chosen = tied && { ...results, probes: new Map([[results.tied!.module, tied.result]]) };
  const tensors = results.tensors.map((tensor, i) =>
    modulePath(tensor) === results.tied?.module
      ? costsOfTensor(tensor, chosen!, rows, mean)
      : probed[i]!,
  );
  return {
    depthGain: gainsOf(results, mean),
    together,
    check: results.losses.checks(results.tensors.map(modulePath)),
    tensors,
    tied: tied?.record ?? null,
  };
}

/** KL per unit of the error power that a block's probes have in the hidden states after it. */
function gainsOf({ tensors, shares, probes, blockErrors }: WalkResults, mean: Mean) {
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
 * The mix of a tied table with the least cost. Flips count by the slope of their cost where all
 * tensors are at the probe's width, F / 2S per unit of power.
 */
function chooseMix(
  { tried }: MeasuredTied,
  { forcedKl, freeKl, flipPower }: Sensitivity["together"],
  mean: Mean,
) {
  const slope = flipPower > 0 ? Math.max(0, freeKl - forcedKl) / (2 * flipPower) : 0;
  const costs = tried.map(({ mix, result }) => {
    const own = mean(result.divergence);
    const cost = own + slope * result.flipPower;
    return { mix, forcedKl: own, flipPower: result.flipPower, cost };
  });
  const best = costs.reduce((least, one, i) => (one.cost < costs[least]!.cost ? i : least), 0);
  const { mix, result } = tried[best]!;
  return { result, record: { mix, tried: costs.toSorted((a, b) => a.mix - b.mix) } };
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
  { probes, shares, losses, mostExperts, blockErrors, storage }: WalkResults,
  rows: ProbeRows,
  mean: Mean,
): MeasuredTensor {
  const module = modulePath(tensor);
  const { probe, kl, flips } = shares.get(module) ?? { probe: module, kl: 1, flips: 1 };
  const { divergence, ...result } = probes.get(probe)!;
  const scale = tunedShare(tensor, mostExperts, losses.gain(module));
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
function tunedShare(tensor: PlannedTensor, most: number, gain: number): number {
  const { role, sources } = tensor;
  if (role.routed !== true) return 1;
  const measured = sources.filter((_, expert) => isExpertMeasured(tensor, expert, most)).length;
  const tuned = measured / sources.length;
  return gain / (tuned * gain + 1 - tuned);
}

function weightedMean(values: Float64Array, weights: Float64Array): number {
  const all = total(weights);
  return all > 0 ? values.reduce((sum, value, i) => sum + value * weights[i]!, 0) / all : 0;
}

/** Share of each domain in the weighted sum. */
function domainShares(
  divergence: Float64Array,
  { domains, domainOf, weights, compared }: ProbeRows,
): number[] {
  const sums = domains.map(() => 0);
  for (const [i, token] of compared.entries())
    sums[domainOf[token]!]! += divergence[i]! * weights[token]!;
  const total = sums.reduce((sum, value) => sum + value, 0);
  return sums.map((value) => (total > 0 ? value / total : 0));
}
