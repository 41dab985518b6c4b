import { type Core, layOutCore, type Option, relax } from "./knapsack-core.ts";
import { searchCore } from "./knapsack-search.ts";

export type { Option };

export interface Choice {
  /** Index of the option taken, for every item. */
  readonly taken: readonly number[];
  /** Sum of the costs taken, in the order of the items. */
  readonly cost: number;
  readonly bytes: number;
  /** No choice is cheaper by more than this. 0: the choice is proven optimal. */
  readonly gap: number;
}

/** Bytes of the smallest choice. */
export function smallestBytes(items: readonly (readonly Pick<Option, "bytes">[])[]): number {
  return items.reduce(
    (sum, options) => sum + Math.min(...options.map((option) => option.bytes)),
    0,
  );
}

/**
 * Solves the multiple-choice knapsack: one option of every item, at most `budget` bytes in all,
 * least cost. Returns null if nothing fits (see `smallestBytes`).
 *
 * The method is exact (Pisinger, A minimal algorithm for the multiple-choice knapsack problem, EJOR
 * 83, 1995). The linear relaxation gives a slope and with it a Lagrangian bound. Options are
 * dropped if they cannot be part of a better choice than the best one known. The rest is searched,
 * starting with the items nearest to the break. Partial choices are dropped if another dominates
 * them in bytes and cost. Their number is limited; if the limit was reached, `gap` is an upper
 * bound of the loss.
 *
 * Costs are rounded to units of 2^-46 of the sum over items of (largest - least cost). So sums are
 * exact in any order. Among equal choices the first one found is taken; it depends only on the
 * order of items and options.
 */
export function fillKnapsack(items: readonly (readonly Option[])[], budget: number): Choice | null {
  if (smallestBytes(items) > budget) return null;
  const relaxed = relax(items, budget);
  const core: Core = layOutCore(relaxed);
  const { taken, gap } = searchCore(core);
  return {
    taken,
    cost: taken.reduce((sum, option, item) => sum + items[item]![option]!.cost, 0),
    bytes: taken.reduce((sum, option, item) => sum + items[item]![option]!.bytes, 0),
    gap: gap * relaxed.unit,
  };
}
