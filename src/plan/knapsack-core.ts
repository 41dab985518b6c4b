/** One option of an item: a size in whole bytes and a finite cost of any sign. */
export interface Option {
  readonly bytes: number;
  readonly cost: number;
}

/**
 * An option in whole units of size and cost, relative to the item's smallest size and least cost.
 */
interface Scaled {
  readonly index: number;
  readonly size: number;
  readonly cost: number;
}

/**
 * Solution of the linear relaxation: steps are taken by worth per byte until one does not fit (the
 * break). Sizes are in units of their common divisor.
 */
export interface Relaxed {
  /** Options of each item that no other dominates in size and cost, ascending in size. */
  readonly items: readonly (readonly Scaled[])[];
  /**
   * The break choice, as positions in `items[i]`. It fits. At `slope` per unit of size, each of its
   * options has the least cost of its item.
   */
  readonly base: readonly number[];
  /** A choice that fits and costs at most as much as the break choice. */
  readonly filled: readonly number[];
  readonly slope: number;
  /** Size that the break choice leaves free. */
  readonly slack: number;
  /** Cost of one unit. */
  readonly unit: number;
}

/**
 * Bits of the sum of all cost ranges. Bounds in doubles (53 bits) are then exact to half a unit.
 */
const costBits = 46;

/**
 * Solves the linear relaxation along the lower convex hulls, in O(n log n). The smallest choice
 * must fit.
 */
export function relax(given: readonly (readonly Option[])[], budget: number): Relaxed {
  const { items, slack: all, unit } = scale(given, budget);
  const steps = items.flatMap((options, item) => hullSteps(options, item));
  // Worth falls along a hull, so sorting leaves an item's steps in order. The sort is stable.
  steps.sort((a, b) => b.worth - a.worth);
  const base = items.map(() => 0);
  let slack = all;
  let at = 0;
  for (; at < steps.length && steps[at]!.size <= slack; at++) {
    base[steps[at]!.item] = steps[at]!.to;
    slack -= steps[at]!.size;
  }
  const slope = steps[at]?.worth ?? 0;
  const filled = [...base];
  let left = slack;
  for (const { item, from, to, size } of steps.slice(at)) {
    if (filled[item] !== from || size > left) continue;
    filled[item] = to;
    left -= size;
  }
  return { items, base, filled, slope, slack, unit };
}

function scale(given: readonly (readonly Option[])[], budget: number) {
  const options = given.map(undominated);
  const divisor = options.flat().reduce((d, { bytes }) => commonDivisor(d, bytes), 0) || 1;
  const range = options.reduce((sum, own) => sum + own[0]!.cost - own.at(-1)!.cost, 0);
  const unit = range === 0 ? 1 : 2 ** (Math.floor(Math.log2(range)) + 1 - costBits);
  const smallest = options.reduce((sum, own) => sum + own[0]!.bytes, 0);
  const items = options.map((own) =>
    own.map(({ index, bytes, cost }) => ({
      index,
      size: (bytes - own[0]!.bytes) / divisor,
      cost: Math.round((cost - own.at(-1)!.cost) / unit),
    })),
  );
  return { items, slack: Math.floor((budget - smallest) / divisor), unit };
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}

/** The options that no other dominates: ascending bytes, falling cost. */
function undominated(options: readonly Option[]): (Option & { index: number })[] {
  const sorted = options.map((option, index) => ({ ...option, index }));
  sorted.sort((a, b) => a.bytes - b.bytes || a.cost - b.cost || a.index - b.index);
  const best: typeof sorted = [];
  for (const option of sorted)
    if (best.length === 0 || option.cost < best.at(-1)!.cost) best.push(option);
  return best;
}

interface Step {
  readonly item: number;
  readonly from: number;
  readonly to: number;
  readonly size: number;
  /** Cost saved per unit of size. */
  readonly worth: number;
}

/** The lower convex hull of an item's options, as steps of falling worth. */
function hullSteps(options: readonly Scaled[], item: number): Step[] {
  const hull: Step[] = [];
  for (let to = 1; to < options.length; to++) {
    let step = makeStep(options, item, to - 1, to);
    for (let last = hull.at(-1); last !== undefined && last.to === step.from; last = hull.at(-1)) {
      if (last.worth > step.worth) break;
      hull.pop();
      step = makeStep(options, item, last.from, to);
    }
    hull.push(step);
  }
  return hull;
}

function makeStep(options: readonly Scaled[], item: number, from: number, to: number): Step {
  const size = options[to]!.size - options[from]!.size;
  return { item, from, to, size, worth: (options[from]!.cost - options[to]!.cost) / size };
}

/** A change from the break choice's option to another, as differences of size and cost. */
export interface Move {
  readonly option: number;
  readonly size: number;
  readonly cost: number;
  /** cost + slope · size: how much the move raises the bound. Not negative. */
  readonly loss: number;
}

export interface CoreItem {
  readonly item: number;
  /** Ascending in size. */
  readonly moves: readonly Move[];
  /** Least loss of a move per unit of size. */
  readonly ease: number;
}

/** The items that may differ from the break choice, ordered by the least loss of doing so. */
export interface Core {
  readonly items: readonly CoreItem[];
  /** Index of the option of every item in the break choice, and in the best choice known. */
  readonly base: readonly number[];
  readonly filled: readonly number[];
  /** Cost of `filled` minus that of `base`. At most 0. */
  readonly filledCost: number;
  readonly slope: number;
  readonly slack: number;
}

/**
 * Expresses the problem as moves from the break choice. A choice costs at least the losses of its
 * moves minus slope · slack. So a move is dropped if its loss alone exceeds the best choice known.
 * In most problems few items remain.
 */
export function layOutCore({ items, base, filled, slope, slack }: Relaxed): Core {
  const filledCost = filled.reduce(
    (sum, at, item) => sum + items[item]![at]!.cost - items[item]![base[item]!]!.cost,
    0,
  );
  const most = filledCost + slope * slack;
  const core: CoreItem[] = [];
  for (const [item, options] of items.entries()) {
    const from = options[base[item]!]!;
    const moves: Move[] = [];
    let ease = Number.POSITIVE_INFINITY;
    for (const to of options) {
      const [size, cost] = [to.size - from.size, to.cost - from.cost];
      const loss = cost + slope * size;
      if (size === 0 || loss >= most) continue;
      moves.push({ option: to.index, size, cost, loss });
      ease = Math.min(ease, loss / Math.abs(size));
    }
    if (moves.length > 0) core.push({ item, moves, ease });
  }
  return {
    items: dropEqualItems(core).sort((a, b) => a.ease - b.ease || a.item - b.item),
    base: base.map((at, item) => items[item]![at]!.index),
    filled: filled.map((at, item) => items[item]![at]!.index),
    filledCost,
    slope,
    slack,
  };
}

/**
 * Drops items that are not needed because others have the same moves. With Δ the size of the
 * largest move, some optimum makes fewer than 2 Δ moves, so 2 Δ - 1 items of a kind are enough.
 * Proof: order the moves so that their running sum stays within (-Δ, Δ]. Then 2 Δ moves reach some
 * sum twice. The moves between have size 0 and a cost of 0 or more, and can be left out.
 * (Eisenbrand and Weismantel, Proximity results and faster algorithms for integer programming,
 * 2018, in one dimension.)
 */
function dropEqualItems(items: readonly CoreItem[]): CoreItem[] {
  const largest = items.reduce(
    (most, { moves }) => Math.max(most, ...moves.map((move) => Math.abs(move.size))),
    0,
  );
  if (items.length < 2 * largest) return [...items];
  const seen = new Map<string, number>();
  return items.filter(({ moves }) => {
    const kind = moves.map(({ size, cost }) => `${size}:${cost}`).join(" ");
    const count = (seen.get(kind) ?? 0) + 1;
    seen.set(kind, count);
    return count < 2 * largest;
  });
}
