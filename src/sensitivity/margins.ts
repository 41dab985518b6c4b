import { firstTokens, type Routing } from "../models/routing.ts";

/** How close the base's tokens are to another choice of experts, at one router. */
export interface Boundary {
  /** The base's choice for the probe rows. */
  readonly routing: Routing;
  /** Share of tokens per unit of margin, at margin 0. */
  readonly density: number;
  /** Weight of each token, mean 1. */
  readonly weights: Float64Array;
}

/** The density at 0 is estimated from this share of tokens, those with the smallest margins. */
const nearest = 0.1;

/** The boundary of a router. `weights`: weight of each token, mean 1. */
export function boundaryOf(routing: Routing, weights: Float64Array): Boundary {
  const margins: number[] = [];
  for (let token = 0; token < routing.tokens; token++) {
    const margin = marginOf(routing, token);
    if (Number.isFinite(margin)) margins.push(margin);
  }
  margins.sort((a, b) => a - b);
  const count = Math.max(1, Math.round(nearest * margins.length));
  const reach = margins[count - 1] ?? 0;
  const density = margins.length > 0 && reach > 0 ? count / margins.length / reach : 0;
  return { routing, density, weights };
}

/** The same boundary for the first tokens alone. */
export function firstOf({ routing, ...all }: Boundary, tokens: number): Boundary {
  return { ...all, routing: firstTokens(routing, tokens) };
}

/**
 * A token's margin: the selection score of its last chosen expert minus that of the first one not
 * chosen. Infinite if all experts are chosen.
 */
function marginOf({ candidates, perToken, selection }: Routing, token: number): number {
  if (candidates <= perToken) return Number.POSITIVE_INFINITY;
  const at = token * candidates + perToken;
  return selection[at - 1]! - selection[at]!;
}

/** What the error of a probe does to the choices of routers. */
export interface MarginChanges {
  /** Σ over routers of density² · E[(change of the margin)²]. */
  flipPower: number;
  /** Absent: not counted. */
  flips?: Flips;
}

/**
 * Flips that an error makes, and those that a small share of it makes: Σ over routers of the share
 * of tokens that flip. A token counts by the square of its last chosen expert's weight, because the
 * KL of a flip is quadratic in what changes.
 */
export interface Flips {
  whole: number;
  small: number;
}

/** About the error at 8 bits, where the whole error is that at 4 bits. */
const smallShare = 1 / 16;
/** Bounds of the growth: an error that is far off its law says nothing. */
const [leastGrowth, mostGrowth, usualGrowth] = [0.25, 1, 0.5];

/**
 * The exponent of flip power that flips grow with. It is 1/2 where tokens lie evenly over margins.
 * It is lower where few tokens have large margins or large changes, and higher where tokens with
 * small margins also give their last expert a small weight.
 */
export function growthOf({ whole, small }: Flips): number {
  if (!(whole > 0 && small > 0)) return usualGrowth;
  const growth = Math.log(small / whole) / (2 * Math.log(smallShare));
  return Math.min(mostGrowth, Math.max(leastGrowth, growth));
}

/**
 * Adds what an error does at one router. `own`: routing of the probes' rows, one after the other.
 */
export function addMargins(
  boundary: Boundary,
  own: Routing,
  probes: readonly MarginChanges[],
): void {
  const { routing, density, weights } = boundary;
  const { tokens, candidates, perToken, experts, scores, routed } = routing;
  if (candidates <= perToken) return;
  for (const [i, probe] of probes.entries()) {
    const sizes: number[] = [];
    let sum = 0;
    for (let token = 0; token < tokens; token++) {
      if (!Number.isFinite(marginOf(routing, token))) continue;
      const at = token * candidates + perToken;
      // The correction bias is the same in both margins and cancels out.
      const change = (expert: number) =>
        own.scores[(i * tokens + token) * routed + expert]! - scores[token * routed + expert]!;
      const moved = change(experts[at - 1]!) - change(experts[at]!);
      sum += weights[token]! * moved ** 2;
      if (probe.flips !== undefined) sizes.push(Math.abs(moved));
    }
    probe.flipPower += (density ** 2 * sum) / tokens;
    if (probe.flips !== undefined) addFlips(boundary, sizes, probe.flips);
  }
}

/**
 * Counts flips at one router. `sizes`: of the changes of margins. A change hardly depends on the
 * margin, so each margin is compared with all changes: few tokens flip by their own.
 */
function addFlips({ routing, weights }: Boundary, sizes: number[], flips: Flips): void {
  const { tokens, perToken } = routing;
  sizes.sort((a, b) => a - b);
  for (let token = 0; token < tokens; token++) {
    const margin = marginOf(routing, token);
    if (!Number.isFinite(margin)) continue;
    const last = routing.weights[(token + 1) * perToken - 1]!;
    const counted = (weights[token]! * last ** 2) / (2 * tokens); // half of the changes widen it
    flips.whole += counted * (1 - shareBelow(sizes, margin));
    flips.small += counted * (1 - shareBelow(sizes, margin / smallShare));
  }
}

/** Share of ascending values below a limit. */
function shareBelow(values: readonly number[], limit: number): number {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! < limit) low = middle + 1;
    else high = middle;
  }
  return low / values.length;
}
