import { fillKnapsack } from "./knapsack.ts";

/** One width of a tensor. */
export interface CostedOption {
  readonly bytes: number;
  /** Nats with forced routes. They add up over tensors. */
  readonly forcedKl: number;
  /** Its sum over tensors costs flipLoss nats. */
  readonly flipPower: number;
}

/** Nats that flips of this power cost: a concave function. */
export function flipLoss(flipFactor: number, flipPower: number): number {
  return flipFactor * Math.sqrt(flipPower);
}

/** One option of every item, and its cost. */
export interface Loss {
  /** Index of the option of each item. */
  readonly taken: readonly number[];
  readonly forcedKl: number;
  readonly flipPower: number;
  /** forcedKl + flipLoss. */
  readonly total: number;
  /**
   * No choice loses less by more than this. At most a share of 1e-9, unless a knapsack was too hard
   * to solve exactly.
   */
  readonly gap: number;
}

interface Problem {
  readonly items: readonly (readonly CostedOption[])[];
  readonly budget: number;
  readonly loss: (forcedKl: number, flipPower: number) => number;
}

/** A choice, and the line a · forcedKl + f · flipPower ≥ least that no choice lies below. */
interface Corner {
  readonly loss: Loss;
  readonly line: { readonly a: number; readonly f: number; readonly least: number };
}

/** Differences below this share of the least loss are not worth another search. */
const tolerance = 1e-9;
const mostSearches = 200;

/**
 * The choice within `budget` bytes that loses least, or null if nothing fits. Exact up to a share
 * of 1e-9, although the loss is not a sum. The loss is concave in (forcedKl, flipPower), so its
 * minimum is a corner of the convex hull of all choices. Each corner is the optimum of a knapsack
 * with the costs forcedKl + t · flipPower for some t.
 *
 * Between two corners, all choices lie in the triangle of their chord and the lines through them. A
 * concave function is least at one of its corners. So a triangle is skipped if its third corner is
 * no better than the best choice known.
 */
export function findLeastLoss(
  items: readonly (readonly CostedOption[])[],
  budget: number,
  flipFactor: number,
): Loss | null {
  const loss: Problem["loss"] = (forcedKl, flipPower) => forcedKl + flipLoss(flipFactor, flipPower);
  const problem = { items, budget, loss };
  const leastForced = findCorner(problem, 1, 0);
  if (leastForced === null || flipFactor === 0) return leastForced?.loss ?? null;
  const leastFlips = findCorner(problem, 0, 1)!;
  let best = less(leastForced.loss, leastFlips.loss);
  let missed = Number.POSITIVE_INFINITY;
  const open: [Corner, Corner][] = [[leastForced, leastFlips]];
  for (let searches = 0; open.length > 0; ) {
    const [left, right] = open.shift()!;
    const rise = right.loss.forcedKl - left.loss.forcedKl;
    const fall = left.loss.flipPower - right.loss.flipPower;
    const third = meet(left.line, right.line);
    if (rise <= 0 || fall <= 0 || third === null) continue;
    const bound = loss(third.forcedKl, third.flipPower);
    if (bound >= best.total * (1 - tolerance) || searches++ >= mostSearches) {
      missed = Math.min(missed, bound);
      continue;
    }
    const middle = findCorner(problem, 1, rise / fall)!;
    best = less(best, middle.loss);
    const onChord = left.loss.forcedKl + (rise / fall) * left.loss.flipPower;
    if (middle.line.least < onChord * (1 - tolerance)) open.push([left, middle], [middle, right]);
  }
  return { ...best, gap: Math.max(0, best.total - missed) };
}

/** The choice of least a · forcedKl + f · flipPower; null if nothing fits. */
function findCorner({ items, budget, loss }: Problem, a: number, f: number): Corner | null {
  const options = items.map((widths) =>
    widths.map(({ bytes, forcedKl, flipPower }) => ({ bytes, cost: a * forcedKl + f * flipPower })),
  );
  const choice = fillKnapsack(options, budget);
  if (choice === null) return null;
  const { taken, gap } = choice;
  const sum = (value: (one: CostedOption) => number) =>
    taken.reduce((total, option, item) => total + value(items[item]![option]!), 0);
  const [forcedKl, flipPower] = [sum((one) => one.forcedKl), sum((one) => one.flipPower)];
  return {
    loss: { taken, forcedKl, flipPower, total: loss(forcedKl, flipPower), gap },
    line: { a, f, least: choice.cost - gap },
  };
}

/** The smaller one; of equal ones the first. */
function less(one: Loss, other: Loss): Loss {
  return other.total < one.total ? other : one;
}

/** Where two lines meet, moved to values that are not negative; null if they are parallel. */
function meet(
  one: Corner["line"],
  other: Corner["line"],
): { forcedKl: number; flipPower: number } | null {
  const determinant = one.a * other.f - one.f * other.a;
  if (determinant === 0) return null;
  return {
    forcedKl: Math.max(0, (one.least * other.f - one.f * other.least) / determinant),
    flipPower: Math.max(0, (one.a * other.least - one.least * other.a) / determinant),
  };
}
