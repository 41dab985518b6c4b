import { type Core, layOutCore, type Option, relax } from "./knapsack-core.ts";
import { searchCore } from "./knapsack-search.ts";

/** What one item may become: a size in whole bytes and a finite price of any sign. */
export type { Option };

export interface Choice {
  /** Index of the option taken, for every item. */
  readonly taken: readonly number[];
  /** Sum of the prices taken, in the order of the items. */
  readonly cost: number;
  readonly bytes: number;
  /** No choice is cheaper by more than this. 0: the optimum, proven. */
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
 * The multiple-choice knapsack: one option of every item so that all together take at most `budget` bytes and cost least. Exact.
 * null: nothing fits (`smallestBytes` says what would).
 *
 * Lagrangian bound at the slope where the linear relaxation breaks; options that cannot be part of anything better than the best
 * choice known are dropped; the rest is searched from the break outwards, keeping of all partial choices those that no other
 * beats in bytes and price at once (Pisinger, A minimal algorithm for the multiple-choice knapsack problem, EJOR 83, 1995).
 * The number of partial choices is limited: where that is not enough, `gap` says what may have been missed.
 *
 * PlanBasis count in whole units of 2^-46 of the sum over items of (dearest - cheapest): sums are then exact in any order, and what differs
 * by less is equal. Among equally cheap choices the one met first is taken; the order of items and options decides that, nothing else.
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
