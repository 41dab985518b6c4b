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
export function firstOf({ routing, density, weights }: Boundary, tokens: number): Boundary {
  return { routing: firstTokens(routing, tokens), density, weights };
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

/**
 * Adds density² · E[(change of the margin)²] to the flip power of each probe. `own`: the routing of
 * the probes' rows, one probe after the other.
 */
export function addMargins(
  boundary: Boundary,
  own: Routing,
  probes: readonly { flipPower: number }[],
): void {
  const { routing, density, weights } = boundary;
  const { tokens, candidates, perToken, experts, scores, routed } = routing;
  if (candidates <= perToken) return;
  for (const [i, probe] of probes.entries()) {
    let sum = 0;
    for (let token = 0; token < tokens; token++) {
      if (!Number.isFinite(marginOf(routing, token))) continue;
      const at = token * candidates + perToken;
      // The correction bias is the same in both margins and cancels out.
      const change = (expert: number) =>
        own.scores[(i * tokens + token) * routed + expert]! - scores[token * routed + expert]!;
      sum += weights[token]! * (change(experts[at - 1]!) - change(experts[at]!)) ** 2;
    }
    probe.flipPower += (density ** 2 * sum) / tokens;
  }
}
