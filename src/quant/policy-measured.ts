import { OqeError } from "../errors.ts";
import { grouped } from "../grouped.ts";
import { bytesPerElement, type FloatDtype } from "../kernel/dtype.ts";
import type { Width } from "../kernel/width.ts";
import type { LayerKind } from "../models/architecture.ts";
import { applyFloors } from "./floors.ts";
import { elements, modulePath, quantizedBytes } from "./format.ts";
import { smallestBytes } from "./knapsack.ts";
import { findLeastLoss, type Priced } from "./least-loss.ts";
import { requireContrast } from "./measurement-check.ts";
import { type Measurement, measuredBits, type WidthPrice } from "./measurement-types.ts";
import type { Floors, PlannedTensor, PredictedLoss } from "./plan-types.ts";
import { type Tier, tierGroupSize } from "./tiers.ts";

/** What a measured plan goes by. */
export interface Prices {
  readonly measurement: Measurement;
  readonly floors: Floors;
}

export interface PriceContext extends Prices {
  readonly storage: FloatDtype;
  readonly layers: readonly LayerKind[];
}

export interface PricedPlan {
  readonly widths: readonly Width[];
  readonly predicted: PredictedLoss;
  readonly floors: Floors;
}

/**
 * The plan of least predicted KL within the tier's budget, every tensor at its floor or above. Exact (findLeastLoss). Pure.
 * Throws BAD_INPUT where the floors need more than the budget, BAD_MEASUREMENT where the prices say nothing or leave a tensor out.
 * @param tensors the quantizable tensors in table order
 */
export function planByPrices(tier: Tier, tensors: readonly PlannedTensor[], context: PriceContext): PricedPlan {
  const { measurement, storage, layers } = context;
  const prices = priceTensors(tensors, measurement);
  const { least, floors } = applyFloors(context.floors, tensors, layers);
  const items = tensors.map((tensor, i) =>
    prices[i]!.filter(({ bits }) => bits >= least[i]!).map(({ bits, smooth, flip }) => {
      const width: Width = { bits, groupSize: tierGroupSize };
      return { width, bytes: quantizedBytes(tensor.shape, width, storage), smooth, flip };
    }),
  );
  const budget = budgetBytes(tier, tensors, storage);
  const loss = findLeastLoss(items, budget, flipCost(measurement));
  if (loss === null) throw belowFloors(tier, items, tensors, floors, budget);
  return {
    widths: loss.taken.map((option, item) => items[item]![option]!.width),
    predicted: { forcedKl: loss.smooth, kl: loss.total },
    floors,
  };
}

/**
 * Bytes that a tier may spend on its quantizable tensors. Budgets are meant with scales and biases of 16 bits; wider ones are added on top,
 * so that a tier means the same widths for any storage dtype.
 */
export function budgetBytes(tier: Tier, tensors: readonly PlannedTensor[], storage: FloatDtype): number {
  const parameters = tensors.reduce((sum, tensor) => sum + elements(tensor.shape), 0);
  const wider = (2 * (bytesPerElement[storage]! - 2)) / tierGroupSize;
  return Math.floor((parameters * tier.budgetBpw) / 8 + parameters * wider);
}

/** Nats of flips at the root of flip power 1: measured with all tensors at once, what flips cost grows with the root of their power. */
export function flipCost({ together: { freeKl, forcedKl, flip } }: Measurement): number {
  return flip > 0 ? Math.max(0, freeKl - forcedKl) / Math.sqrt(flip) : 0;
}

/** The prices of every tensor, one for each of `measuredBits`. */
function priceTensors(tensors: readonly PlannedTensor[], measurement: Measurement): (readonly WidthPrice[])[] {
  requireContrast(measurement);
  const byModule = new Map(measurement.tensors.map((tensor) => [tensor.module, tensor.widths]));
  return tensors.map((tensor) => {
    const widths = byModule.get(modulePath(tensor));
    if (widths !== undefined && measuredBits.every((bits, i) => widths[i]?.bits === bits)) return widths;
    throw new OqeError(
      "BAD_MEASUREMENT",
      `the measurement has no prices for ${modulePath(tensor)}${widths === undefined ? "" : ` at each of ${measuredBits.join(", ")} bits`}`,
      "It may be of another model. Measure again.",
    );
  });
}

function belowFloors(
  tier: Tier,
  items: readonly (readonly Priced[])[],
  tensors: readonly PlannedTensor[],
  floors: Floors,
  budget: number,
): OqeError {
  const smallest = smallestBytes(items);
  const parameters = tensors.reduce((sum, tensor) => sum + elements(tensor.shape), 0);
  const named = Object.entries(floors).map(([name, bits]) => `${name}=${bits}`);
  return new OqeError(
    "BAD_INPUT",
    `${tier.name} may take ${grouped(budget)} bytes of quantized tensors; the smallest possible plan takes ${grouped(smallest)}, ` +
      `${((8 * smallest) / parameters).toFixed(2)} bits per weight (${measuredBits[0]} bits, floors ${named.join(",") || "none"})`,
    "Choose a larger tier or target, or lower the floors.",
  );
}
