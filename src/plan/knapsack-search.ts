import type { Core, CoreItem, Move } from "./knapsack-core.ts";

/** Work of a search, in partial choices made: some two seconds, and at most 84 MB of how they came about. */
const allowance = 2 ** 24;
/** Partial choices kept at one step: a share of what is left of the allowance, within limits. */
const keptShare = 1 / 64;
const mostKept = 2 ** 15;
const leastKept = 64;
/** Choosing which to keep costs as much as making them a few times. */
const thinningWork = 4;
/** Weight of the room left, at its worth, beside the bound. */
const nearness = 2 ** -10;
/** Costs are whole numbers, so a cheaper choice is cheaper by at least 1. */
const half = 0.5;

/** Partial choices after some items of the core, the rest at the break choice; ascending in size, falling in price. */
interface States {
  readonly count: number;
  readonly size: Float64Array;
  readonly cost: Float64Array;
}

/** How each state of a step came about: by what `item` did to a state of the step before. */
interface Trace {
  readonly item: number;
  readonly moves: readonly Move[];
  readonly parent: Uint32Array;
  /** 0: the item stays; k: it makes moves[k - 1]. */
  readonly way: Uint8Array;
}

/** What the items of the core from one on can still do. */
interface Outlook {
  /** Least loss per unit of size grown, and shrunk. */
  readonly grow: Float64Array;
  readonly shrink: Float64Array;
  readonly mostGrowth: Float64Array;
  readonly mostShrinkage: Float64Array;
}

/** The best choice, and by how many units of price another could at most be cheaper. */
export function searchCore(core: Core): { taken: readonly number[]; gap: number } {
  return new Search(core).run();
}

class Search {
  private readonly core: Core;
  private readonly outlook: Outlook;
  private readonly traces: Trace[] = [];
  /** The best choice known and its price above the break choice's. */
  private taken: readonly number[];
  private best: number;
  /** The lowest bound of what was let go for want of room. */
  private missed = Number.POSITIVE_INFINITY;

  constructor(core: Core) {
    this.core = core;
    this.outlook = lookAhead(core.items);
    this.taken = core.filled;
    this.best = core.filledCost;
  }

  run(): { taken: readonly number[]; gap: number } {
    const { items } = this.core;
    let states: States = { count: 1, size: new Float64Array(1), cost: new Float64Array(1) };
    let left = allowance;
    for (const [at, item] of items.entries()) {
      const moves = item.moves.filter(
        (move) => this.bound(0, move.size, move.cost) < this.best - half,
      );
      if (moves.length === 0) continue;
      left -= states.count * (moves.length + 1);
      states = this.extend(states, item.item, moves, at + 1);
      if (states.count === 0) break;
      const limit = Math.min(mostKept, Math.max(leastKept, Math.floor(left * keptShare)));
      if (states.count <= limit) continue;
      left -= states.count * thinningWork;
      states = this.thin(states, at + 1, limit);
    }
    return { taken: this.taken, gap: this.missed < this.best - half ? this.best - this.missed : 0 };
  }

  /** What a completion of the state costs at least above the break choice, items before `from` being decided. */
  private bound(from: number, size: number, cost: number): number {
    const { slope, room } = this.core;
    const { grow, shrink, mostGrowth, mostShrinkage } = this.outlook;
    const free = room - size;
    if (free >= 0)
      return cost - Math.min(free, mostGrowth[from]!) * Math.max(0, slope - grow[from]!);
    return -free > mostShrinkage[from]!
      ? Number.POSITIVE_INFINITY
      : cost - free * (slope + shrink[from]!);
  }

  /** Every state with the item staying or making one of `moves`; without those that another beats or that cannot become the best. */
  private extend(states: States, item: number, moves: readonly Move[], next: number): States {
    const ways = [{ size: 0, cost: 0 }, ...moves];
    const most = states.count * ways.length;
    const [size, cost] = [new Float64Array(most), new Float64Array(most)];
    const [parent, way] = [new Uint32Array(most), new Uint8Array(most)];
    const heads = ways.map(() => 0);
    let count = 0;
    let least = Number.POSITIVE_INFINITY;
    for (let merged = 0; merged < most; merged++) {
      let w = -1;
      let s = 0;
      let p = 0;
      for (let k = 0; k < ways.length; k++) {
        const head = heads[k]!;
        if (head === states.count) continue;
        const ks = states.size[head]! + ways[k]!.size;
        const kp = states.cost[head]! + ways[k]!.cost;
        if (w >= 0 && (ks > s || (ks === s && kp >= p))) continue;
        w = k;
        s = ks;
        p = kp;
      }
      const from = heads[w]!++;
      if (p >= least) continue;
      least = p;
      if (s <= this.core.room && p < this.best) this.note(p, item, moves[w - 1], from);
      if (this.bound(next, s, p) >= this.best - half) continue;
      size[count] = s;
      cost[count] = p;
      parent[count] = from;
      way[count] = w;
      count++;
    }
    this.traces.push({ item, moves, parent: parent.slice(0, count), way: way.slice(0, count) });
    return { count, size: size.slice(0, count), cost: cost.slice(0, count) };
  }

  /** Takes down the best choice so far: a state of the last step, and what the next item does. */
  private note(cost: number, item: number, move: Move | undefined, from: number): void {
    const taken = [...this.core.base];
    if (move !== undefined) taken[item] = move.option;
    let state = from;
    for (const trace of this.traces.toReversed()) {
      const way = trace.way[state]!;
      if (way > 0) taken[trace.item] = trace.moves[way - 1]!.option;
      state = trace.parent[state]!;
    }
    [this.best, this.taken] = [cost, taken];
  }

  /** The `limit` states of lowest bound; of equal ones, those nearest to a full knapsack. */
  private thin(states: States, next: number, limit: number): States {
    const { room, slope } = this.core;
    const rank = new Float64Array(states.count);
    let missed = this.missed;
    for (let i = 0; i < states.count; i++) {
      rank[i] =
        this.bound(next, states.size[i]!, states.cost[i]!) +
        nearness * slope * Math.abs(room - states.size[i]!);
    }
    const last = rank.toSorted()[limit - 1]!;
    let ties = limit - rank.reduce((count, value) => count + Number(value < last), 0);
    const kept = new Uint32Array(limit);
    for (let i = 0, k = 0; i < states.count; i++) {
      if (rank[i]! < last || (rank[i] === last && ties-- > 0)) kept[k++] = i;
      else missed = Math.min(missed, this.bound(next, states.size[i]!, states.cost[i]!));
    }
    this.missed = missed;
    const trace = this.traces.pop()!;
    this.traces.push({
      ...trace,
      parent: Uint32Array.from(kept, (i) => trace.parent[i]!),
      way: Uint8Array.from(kept, (i) => trace.way[i]!),
    });
    return {
      count: limit,
      size: Float64Array.from(kept, (i) => states.size[i]!),
      cost: Float64Array.from(kept, (i) => states.cost[i]!),
    };
  }
}

function lookAhead(items: readonly CoreItem[]): Outlook {
  const columns = () => new Float64Array(items.length + 1);
  const [grow, shrink] = [
    columns().fill(Number.POSITIVE_INFINITY),
    columns().fill(Number.POSITIVE_INFINITY),
  ];
  const [mostGrowth, mostShrinkage] = [columns(), columns()];
  for (let at = items.length - 1; at >= 0; at--) {
    const { moves } = items[at]!;
    const losses = (sign: number) =>
      moves.filter((move) => sign * move.size > 0).map((move) => (sign * move.loss) / move.size);
    grow[at] = Math.min(grow[at + 1]!, ...losses(1));
    shrink[at] = Math.min(shrink[at + 1]!, ...losses(-1));
    mostGrowth[at] = mostGrowth[at + 1]! + Math.max(0, ...moves.map((move) => move.size));
    mostShrinkage[at] = mostShrinkage[at + 1]! + Math.max(0, ...moves.map((move) => -move.size));
  }
  return { grow, shrink, mostGrowth, mostShrinkage };
}
