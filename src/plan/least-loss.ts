import { type Choice, fillKnapsack } from "./knapsack.ts";

/** One width of a tensor. */
export interface CostedOption {
  readonly bytes: number;
  /** Nats with routes forced: they add up over tensors. */
  readonly forcedKl: number;
  /** Flip power: its sum over tensors costs `flipCost` · √sum. */
  readonly flipPower: number;
}

export interface Loss {
  readonly taken: readonly number[];
  readonly forcedKl: number;
  readonly flipPower: number;
  /** smooth + flipCost · √flip. */
  readonly total: number;
  /** No choice loses less by more than this: a share of 1e-9 at most, unless a knapsack was too hard to prove. */
  readonly gap: number;
}

/** A choice, and the line that no choice lies below: a · smooth + f · flip ≥ least. */
interface Corner {
  readonly loss: Loss;
  readonly line: { readonly a: number; readonly f: number; readonly least: number };
}

/** Shares of the least loss: what differs by less is not worth a further search. */
const tolerance = 1e-9;
const mostSearches = 200;

/**
 * The choice within `budget` bytes that loses least, or null where nothing fits. Exact up to a share of 1e-9, although the loss is
 * not a sum: it is concave in (smooth, flip), so its minimum is a corner of the convex hull of all choices, and each corner is a
 * knapsack by smooth + t · flip for some t. Between two corners no choice lies outside of the triangle that their chord and the
 * lines through them span; a concave function takes its least value over it at one of its corners, so triangles whose third
 * corner is no better than the best choice known are passed over.
 */
export function findLeastLoss(
  items: readonly (readonly CostedOption[])[],
  budget: number,
  flipFactor: number,
): Loss | null {
  const loss = (forcedKl: number, flipPower: number) =>
    forcedKl + flipFactor * Math.sqrt(flipPower);
  const search = (a: number, f: number): Corner | null => {
    const costed = items.map((options) =>
      options.map(({ bytes, forcedKl, flipPower }) => ({
        bytes,
        cost: a * forcedKl + f * flipPower,
      })),
    );
    const choice = fillKnapsack(costed, budget);
    return choice === null
      ? null
      : { loss: weigh(items, choice, loss), line: { a, f, least: choice.cost - choice.gap } };
  };
  const leastForced = search(1, 0);
  if (leastForced === null || flipFactor === 0) return leastForced?.loss ?? null;
  const leastFlips = search(0, 1)!;
  let best = less(leastForced.loss, leastFlips.loss);
  let missed = Number.POSITIVE_INFINITY;
  const open: [Corner, Corner][] = [[leastForced, leastFlips]];
  for (let searches = 0; open.length > 0; ) {
    const [left, right] = open.shift()!;
    const [rise, fall] = [
      right.loss.forcedKl - left.loss.forcedKl,
      left.loss.flipPower - right.loss.flipPower,
    ];
    const third = meet(left.line, right.line);
    if (rise <= 0 || fall <= 0 || third === null) continue;
    const bound = loss(third.forcedKl, third.flipPower);
    if (bound >= best.total * (1 - tolerance) || searches++ >= mostSearches) {
      missed = Math.min(missed, bound);
      continue;
    }
    const middle = search(1, rise / fall)!;
    best = less(best, middle.loss);
    const onChord = left.loss.forcedKl + (rise / fall) * left.loss.flipPower;
    if (middle.line.least < onChord * (1 - tolerance)) open.push([left, middle], [middle, right]);
  }
  return { ...best, gap: Math.max(0, best.total - missed) };
}

function weigh(
  items: readonly (readonly CostedOption[])[],
  { taken, gap }: Choice,
  loss: (forcedKl: number, flipPower: number) => number,
): Loss {
  const sum = (value: (one: CostedOption) => number) =>
    taken.reduce((total, option, item) => total + value(items[item]![option]!), 0);
  const [forcedKl, flipPower] = [sum((one) => one.forcedKl), sum((one) => one.flipPower)];
  return { taken, forcedKl, flipPower, total: loss(forcedKl, flipPower), gap };
}

/** Equal ones: the one found first. */
function less(one: Loss, other: Loss): Loss {
  return other.total < one.total ? other : one;
}

/** Where two lines meet, moved to where losses can be; null where they do not meet. */
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
