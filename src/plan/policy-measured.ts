import { OqeError } from "../ground/errors.ts";
import type { FloatDtype } from "../kernel/dtype.ts";
import { isMxfp4, mxfp4Width, type Width } from "../kernel/width.ts";
import { modulePath, quantizedBytes, sameWidth } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { LayerKind } from "../models/layer-kind.ts";
import { keepsCodes } from "../models/source.ts";
import { applyFloors, areDefault, formatFloors } from "./floors.ts";
import { findLeastLoss } from "./least-loss.ts";
import type { Floors, PredictedLoss } from "./plan-types.ts";
import { widthAt } from "./plan-widths.ts";
import { requireContrast } from "./sensitivity-check.ts";
import { measuredBits, type Sensitivity, type WidthCost } from "./sensitivity-types.ts";
import { budgetBytes, refuseBudget, type Sizes } from "./targets.ts";
import { type Tier, tiers } from "./tiers.ts";

/** The sources of a measured plan. */
export interface PlanBasis {
  readonly sensitivity: Sensitivity;
  readonly floors: Floors;
}

export interface BasisContext extends PlanBasis, Sizes {
  readonly layers: readonly LayerKind[];
}

export interface MeasuredChoice {
  /** In the order of `quantizable`. */
  readonly widths: readonly Width[];
  readonly predicted: PredictedLoss;
  readonly floors: Floors;
  readonly floorCosts: Readonly<Record<string, number>>;
}

/**
 * The widths with the least predicted KL within the tier's budget, none below its floor. Codes of
 * the base are all kept if the budget can hold them. Exact (findLeastLoss) and pure. Throws
 * BAD_INPUT if the floors need more than the budget, BAD_SENSITIVITY if the costs say nothing or
 * lack a tensor.
 */
export function planByCosts(tier: Tier, context: BasisContext): MeasuredChoice {
  const { quantizable: tensors, sensitivity, storage, layers } = context;
  const costs = costsOfTensors(tensors, sensitivity);
  requireFloors(tier, context);
  const budget = budgetBytes(tier, context);
  const held = floorsFor(tier, context);
  const keepsAll = floorBytes({ ...context, floors: held }, "kept") <= budget;
  const options = costs.map((widths, i) => {
    const all = optionsOf(tensors[i]!, widths, storage);
    return keepsAll && keepsCodes(tensors[i]!) ? all.filter(({ width }) => isMxfp4(width)) : all;
  });
  const solve = (least: readonly number[]) => {
    const items = options.map((all, i) => all.filter(({ meets }) => meets >= least[i]!));
    const loss = findLeastLoss(items, budget, flipFactor(sensitivity))!;
    return { ...loss, widths: loss.taken.map((option, i) => items[i]![option]!.width) };
  };
  const { least, floors } = applyFloors(held, tensors, layers);
  const { widths, forcedKl, total } = solve(least);
  const without = (name: string) => {
    const others = Object.fromEntries(Object.entries(floors).filter(([other]) => other !== name));
    return solve(applyFloors(others, tensors, layers).least).total;
  };
  const costOf = (name: string) => (total > 0 ? Math.max(0, 1 - without(name) / total) : 0);
  return {
    widths,
    predicted: { forcedKl, kl: total },
    floors,
    floorCosts: Object.fromEntries(Object.keys(floors).map((name) => [name, costOf(name)])),
  };
}

/**
 * The widths that a tensor may have. Codes of the base cost nothing, and meet every floor: no width
 * is nearer to the base.
 */
function optionsOf(tensor: PlannedTensor, costs: readonly WidthCost[], storage: FloatDtype) {
  const options = costs.map(({ bits, forcedKl, flipPower }) => {
    const width = widthAt(tensor, bits);
    const own = isMxfp4(width)
      ? { meets: measuredBits.at(-1)!, forcedKl: 0, flipPower: 0 }
      : { meets: bits, forcedKl, flipPower };
    return { width, bytes: quantizedBytes(tensor.shape, width, storage), ...own };
  });
  const isFirst = ({ width }: (typeof options)[number], at: number) =>
    options.findIndex((other) => sameWidth(other.width, width)) === at;
  return options.filter(isFirst);
}

type FloorContext = Sizes & Pick<BasisContext, "floors" | "layers">;

/**
 * Bytes of the smallest plan: every tensor has the least width that its floors allow. `kept`: the
 * smallest of those plans that keep all codes of the base.
 */
export function floorBytes(
  { quantizable, storage, floors, layers }: FloorContext,
  codes: "kept" | "narrowed" = "narrowed",
): number {
  const { least } = applyFloors(floors, quantizable, layers);
  return quantizable.reduce((sum, tensor, i) => {
    const own = codes === "kept" && keepsCodes(tensor) ? mxfp4Width.bits : 0;
    const bits = measuredBits.find((width) => width >= Math.max(own, least[i]!))!;
    return sum + quantizedBytes(tensor.shape, widthAt(tensor, bits), storage);
  }, 0);
}

/**
 * The floors of a tier. The default floors suit models that consist almost entirely of experts. In
 * a small model, attention, embeddings and head are a large part. There a tier of the series lowers
 * the default floors to the widest width that fits its budget, beside all codes of the base. Floors
 * or sizes that a user gave are never changed.
 */
function floorsFor(tier: Tier, context: FloorContext): Floors {
  if (!areDefault(context.floors) || !tiers.some(({ name }) => name === tier.name))
    return context.floors;
  const limited = measuredBits.toReversed().map((most): Floors => {
    const floors = Object.entries(context.floors).map(([name, bits]) => [
      name,
      Math.min(bits, most) as typeof bits,
    ]);
    return Object.fromEntries(floors);
  });
  const fitting = limited.find(
    (floors) => floorBytes({ ...context, floors }, "kept") <= budgetBytes(tier, context),
  );
  return fitting ?? context.floors;
}

/** Throws BAD_INPUT if the floors need more than the budget. */
export function requireFloors(tier: Tier, context: FloorContext): void {
  const held = { ...context, floors: floorsFor(tier, context) };
  const smallest = floorBytes(held);
  if (smallest <= budgetBytes(tier, context)) return;
  const { floors } = applyFloors(held.floors, context.quantizable, context.layers);
  const limits = `from ${measuredBits[0]} bits, floors ${formatFloors(floors)}`;
  const hasFloors = Object.keys(floors).length > 0;
  throw refuseBudget(tier, { bytes: smallest, limits, hasFloors }, context);
}

/**
 * The cost of flips: a plan with flip power S loses factor · √S nats. The factor was measured with
 * all tensors at the probe's width at once.
 */
export function flipFactor({ together: { freeKl, forcedKl, flipPower } }: Sensitivity): number {
  return flipPower > 0 ? Math.max(0, freeKl - forcedKl) / Math.sqrt(flipPower) : 0;
}

/** The costs of every tensor, one for each of `measuredBits`. */
function costsOfTensors(
  tensors: readonly PlannedTensor[],
  sensitivity: Sensitivity,
): (readonly WidthCost[])[] {
  requireContrast(sensitivity);
  const byModule = new Map(sensitivity.tensors.map((tensor) => [tensor.module, tensor.widths]));
  return tensors.map((tensor) => {
    const widths = byModule.get(modulePath(tensor));
    if (widths !== undefined && measuredBits.every((bits, i) => widths[i]?.bits === bits))
      return widths;
    const missing = widths === undefined ? "" : ` at each of ${measuredBits.join(", ")} bits`;
    throw new OqeError(
      "BAD_SENSITIVITY",
      `the sensitivity has no costs for ${modulePath(tensor)}${missing}`,
      "It may be of another model. Measure again.",
    );
  });
}
