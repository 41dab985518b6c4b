import type { Core, CoreItem, Move } from "./knapsack-core.ts";

/**
 * Limit on the partial choices of a search: about two seconds, and at most 84 MB for their traces.
 */
const allowance = 2 ** 24;
/** Partial choices to continue with after one step: a share of the remaining allowance, limited. */
const stateShare = 1 / 64;
const mostStates = 2 ** 15;
const leastStates = 64;
/** Work of thinning, relative to making the states. */
const thinningWork = 4;
/** Weight of the free slack in a state's rank, relative to the bound. */
const nearness = 2 ** -10;
/** Costs are whole numbers, so a cheaper choice is cheaper by at least 1. */
const half = 0.5;

/**
 * Partial choices: some items of the core are decided, the others are at the break choice.
 * Ascending in size, falling in cost.
 */
interface States {
  readonly count: number;
  readonly size: Float64Array;
  readonly cost: Float64Array;
}

/** For each state of a step: the state of the step before, and the option that `item` took. */
interface Trace {
  readonly item: number;
  readonly moves: readonly Move[];
  readonly parent: Uint32Array;
  /** 0: the item stays at the break choice; k: it makes moves[k - 1]. */
  readonly way: Uint8Array;
}

/** Limits of what the core's items from a given one on can change. */
interface Outlook {
  /** Least loss per unit of size grown, and shrunk. */
  readonly grow: Float64Array;
  readonly shrink: Float64Array;
  readonly mostGrowth: Float64Array;
  readonly mostShrinkage: Float64Array;
}

/** The best choice, and by how many units of cost another could be cheaper at most. */
export function searchCore(core: Core): { taken: readonly number[]; gap: number } {
  return new Search(core).run();
}

class Search {
  private readonly core: Core;
  private readonly outlook: Outlook;
  private readonly traces: Trace[] = [];
  /** The best choice known, and its cost relative to the break choice. */
  private taken: readonly number[];
  private best: number;
  /** The lowest bound of all states that were dropped to limit the work. */
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
      const limit = Math.min(mostStates, Math.max(leastStates, Math.floor(left * stateShare)));
      if (states.count <= limit) continue;
      left -= states.count * thinningWork;
      states = this.thin(states, at + 1, limit);
    }
    return { taken: this.taken, gap: this.missed < this.best - half ? this.best - this.missed : 0 };
  }

  /** Least cost of a completion, relative to the break choice. Items before `from` are decided. */
  private bound(from: number, size: number, cost: number): number {
    const { slope, slack } = this.core;
    const { grow, shrink, mostGrowth, mostShrinkage } = this.outlook;
    const free = slack - size;
    if (free >= 0)
      return cost - Math.min(free, mostGrowth[from]!) * Math.max(0, slope - grow[from]!);
    return -free > mostShrinkage[from]!
      ? Number.POSITIVE_INFINITY
      : cost - free * (slope + shrink[from]!);
  }

  /**
   * Combines every state with every option of the item: to stay, or one of `moves`. Drops states
   * that another dominates or that cannot become the best.
   */
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
      if (s <= this.core.slack && p < this.best) this.note(p, item, moves[w - 1], from);
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

  /** Records the best choice so far: a state of the last step, and the next item's move. */
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

  /** The `limit` states with the lowest bounds. Of equal ones, those closest to a full knapsack. */
  private thin(states: States, next: number, limit: number): States {
    const { slack, slope } = this.core;
    const rank = new Float64Array(states.count);
    let missed = this.missed;
    for (let i = 0; i < states.count; i++) {
      rank[i] =
        this.bound(next, states.size[i]!, states.cost[i]!) +
        nearness * slope * Math.abs(slack - states.size[i]!);
    }
    const last = rank.toSorted()[limit - 1]!;
    let ties = limit - rank.reduce((count, value) => count + Number(value < last), 0);
    const best = new Uint32Array(limit);
    for (let i = 0, k = 0; i < states.count; i++) {
      if (rank[i]! < last || (rank[i] === last && ties-- > 0)) best[k++] = i;
      else missed = Math.min(missed, this.bound(next, states.size[i]!, states.cost[i]!));
    }
    this.missed = missed;
    const trace = this.traces.pop()!;
    this.traces.push({
      ...trace,
      parent: Uint32Array.from(best, (i) => trace.parent[i]!),
      way: Uint8Array.from(best, (i) => trace.way[i]!),
    });
    return {
      count: limit,
      size: Float64Array.from(best, (i) => states.size[i]!),
      cost: Float64Array.from(best, (i) => states.cost[i]!),
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
