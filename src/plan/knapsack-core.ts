/** What one item may become: a size in whole bytes and a finite price of any sign. */
export interface Option {
  readonly bytes: number;
  readonly cost: number;
}

/** An option in whole units of size and price, above the item's smallest size and lowest price. */
interface Scaled {
  readonly index: number;
  readonly size: number;
  readonly cost: number;
}

/** The linear relaxation: where filling by worth per byte breaks off. Sizes in units of the sizes' common divisor. */
export interface Relaxed {
  /** Options of each item that no other beats in size and price, ascending in size. */
  readonly items: readonly (readonly Scaled[])[];
  /** The break choice: position in `items[i]`. It fits, and every item's option is the cheapest at `slope` per unit of size. */
  readonly base: readonly number[];
  /** A choice that fits, at most as dear as the break choice. */
  readonly filled: readonly number[];
  readonly slope: number;
  /** Room that the break choice leaves. */
  readonly room: number;
  /** Price of one unit. */
  readonly unit: number;
}

/** Bits of the sum of all price ranges: bounds, computed in doubles of 53 bits, are then off by far less than half a unit. */
const costBits = 46;

/** Solves the relaxation greedily along the lower hulls, in O(n log n). The smallest choice must fit. */
export function relax(given: readonly (readonly Option[])[], budget: number): Relaxed {
  const { items, room: all, unit } = scale(given, budget);
  const steps = items.flatMap((options, item) => hullSteps(options, item));
  // Worth falls along a hull, so an item's steps stay in order; equal worth: item order (stable sort).
  steps.sort((a, b) => b.worth - a.worth);
  const base = items.map(() => 0);
  let room = all;
  let at = 0;
  for (; at < steps.length && steps[at]!.size <= room; at++) {
    base[steps[at]!.item] = steps[at]!.to;
    room -= steps[at]!.size;
  }
  const slope = steps[at]?.worth ?? 0;
  const filled = [...base];
  let left = room;
  for (const { item, from, to, size } of steps.slice(at)) {
    if (filled[item] !== from || size > left) continue;
    filled[item] = to;
    left -= size;
  }
  return { items, base, filled, slope, room, unit };
}

function scale(given: readonly (readonly Option[])[], budget: number) {
  const kept = given.map(undominated);
  const divisor = kept.flat().reduce((d, { bytes }) => commonDivisor(d, bytes), 0) || 1;
  const range = kept.reduce((sum, options) => sum + options[0]!.cost - options.at(-1)!.cost, 0);
  const unit = range === 0 ? 1 : 2 ** (Math.floor(Math.log2(range)) + 1 - costBits);
  const smallest = kept.reduce((sum, options) => sum + options[0]!.bytes, 0);
  const items = kept.map((options) =>
    options.map(({ index, bytes, cost }) => ({
      index,
      size: (bytes - options[0]!.bytes) / divisor,
      cost: Math.round((cost - options.at(-1)!.cost) / unit),
    })),
  );
  return { items, room: Math.floor((budget - smallest) / divisor), unit };
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}

/** Ascending bytes, falling price. */
function undominated(options: readonly Option[]): (Option & { index: number })[] {
  const sorted = options.map((option, index) => ({ ...option, index }));
  sorted.sort((a, b) => a.bytes - b.bytes || a.cost - b.cost || a.index - b.index);
  const kept: typeof sorted = [];
  for (const option of sorted)
    if (kept.length === 0 || option.cost < kept.at(-1)!.cost) kept.push(option);
  return kept;
}

interface Step {
  readonly item: number;
  readonly from: number;
  readonly to: number;
  readonly size: number;
  /** Price saved per unit of size. */
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

/** Another option than the break choice's: what it adds in size and price (either may be negative). */
export interface Move {
  readonly option: number;
  readonly size: number;
  readonly cost: number;
  /** Price + slope · size: what the move costs above the bound, not negative. */
  readonly loss: number;
}

export interface CoreItem {
  readonly item: number;
  /** Ascending in size. */
  readonly moves: readonly Move[];
  /** Least loss of a move per unit of size. */
  readonly ease: number;
}

/** The items that may have to move away from the break choice, those that can do so at the least loss per unit of size first. */
export interface Core {
  readonly items: readonly CoreItem[];
  /** Index of the option of every item in the break choice, and in the best choice known. */
  readonly base: readonly number[];
  readonly filled: readonly number[];
  /** Price of `filled` above that of `base`: at most 0. */
  readonly filledCost: number;
  readonly slope: number;
  readonly room: number;
}

/**
 * Lays the problem out around the break choice. No choice costs less than what the room left is worth at the slope, and the losses of its
 * moves; a move that is beyond the best choice known by itself is left out, which leaves few items of most problems.
 */
export function layOutCore({ items, base, filled, slope, room }: Relaxed): Core {
  const filledCost = filled.reduce(
    (sum, at, item) => sum + items[item]![at]!.cost - items[item]![base[item]!]!.cost,
    0,
  );
  const most = filledCost + slope * room;
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
    items: dropTwins(core).sort((a, b) => a.ease - b.ease || a.item - b.item),
    base: base.map((at, item) => items[item]![at]!.index),
    filled: filled.map((at, item) => items[item]![at]!.index),
    filledCost,
    slope,
    room,
  };
}

/**
 * Items that could make the very same moves are interchangeable, and some optimum makes fewer than 2 Δ moves, Δ being the largest
 * move: ordered so that their running sum stays within (-Δ, Δ], 2 Δ moves would come by one sum twice; what lies between has size 0 and
 * a price of 0 or more, and can be left out. (Eisenbrand and Weismantel, Proximity results and faster algorithms for integer
 * programming, 2018, in one dimension.) So 2 Δ - 1 of a kind are enough.
 */
function dropTwins(items: readonly CoreItem[]): CoreItem[] {
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
