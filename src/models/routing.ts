import { sharedFloats, sharedIntegers } from "../kernel/matrix.ts";

/**
 * The experts that a router chose for every token. Experts are ranked by descending selection
 * score, equal ones by ascending number. A token visits the first `perToken` of them; the others
 * are the next best.
 */
export interface Routing {
  readonly tokens: number;
  /** Routed experts of the layer. */
  readonly routed: number;
  readonly perToken: number;
  /** Ranks that are recorded for each token (`ranksOf`). */
  readonly candidates: number;
  /** `[tokens, candidates]` */
  readonly experts: Uint32Array<SharedArrayBuffer>;
  /**
   * `[tokens, candidates]`: score of the choice; -Infinity for experts of a group that was ruled
   * out.
   */
  readonly selection: Float32Array<SharedArrayBuffer>;
  /** `[tokens, perToken]`: weight of each visited expert's output, from this model's own router. */
  readonly weights: Float32Array<SharedArrayBuffer>;
  /** `[tokens, routed]`: sigmoid or softmax of the router's logits, without the correction bias. */
  readonly scores: Float32Array<SharedArrayBuffer>;
}

/** How many ranks are recorded: twice the experts that a token visits, at most all. */
export function ranksOf({ perToken, routed }: { perToken: number; routed: number }): number {
  return Math.min(2 * perToken, routed);
}

/** The routing of the first tokens: the same memory. */
export function firstTokens(routing: Routing, tokens: number): Routing {
  const { experts, selection, weights, scores } = routing;
  const first = <T extends Uint32Array<SharedArrayBuffer> | Float32Array<SharedArrayBuffer>>(
    all: T,
  ) => all.subarray(0, (all.length / routing.tokens) * tokens) as T;
  return {
    ...routing,
    tokens,
    experts: first(experts),
    selection: first(selection),
    weights: first(weights),
    scores: first(scores),
  };
}

/** The routing of some tokens, and of others behind them. */
export function joinRoutings(first: Routing, last: Routing): Routing {
  const floats = (name: "selection" | "weights" | "scores") => {
    const all = sharedFloats(first[name].length + last[name].length);
    all.set(first[name]);
    all.set(last[name], first[name].length);
    return all;
  };
  const experts = sharedIntegers(first.experts.length + last.experts.length);
  experts.set(first.experts);
  experts.set(last.experts, first.experts.length);
  const [selection, weights, scores] = [floats("selection"), floats("weights"), floats("scores")];
  const tokens = first.tokens + last.tokens;
  return { ...first, tokens, experts, selection, weights, scores };
}

/** The tokens of one expert, ascending. */
export interface Visitors {
  readonly tokens: Uint32Array<SharedArrayBuffer>;
  /** Weight of the expert's output for each of them. */
  readonly weights: Float32Array<SharedArrayBuffer>;
  /** Tokens that do not visit it, but have it among their next best. */
  readonly near: Uint32Array<SharedArrayBuffer>;
}

/** The tokens of each expert. */
export function visitorsOf(routing: Routing): readonly Visitors[] {
  const { tokens, routed, perToken, candidates, experts, selection, weights } = routing;
  const [visits, nears] = [new Uint32Array(routed), new Uint32Array(routed)];
  const each = (visit: (token: number, rank: number, expert: number, isNear: boolean) => void) => {
    for (let token = 0; token < tokens; token++) {
      for (let rank = 0; rank < candidates; rank++) {
        const at = token * candidates + rank;
        if (rank < perToken || selection[at]! > Number.NEGATIVE_INFINITY) {
          visit(token, rank, experts[at]!, rank >= perToken);
        }
      }
    }
  };
  each((_, __, expert, isNear) => {
    (isNear ? nears : visits)[expert]!++;
  });
  const visitors = Array.from({ length: routed }, (_, e) => ({
    tokens: sharedIntegers(visits[e]!),
    weights: sharedFloats(visits[e]!),
    near: sharedIntegers(nears[e]!),
  }));
  visits.fill(0);
  nears.fill(0);
  each((token, rank, expert, isNear) => {
    const { tokens, weights: shares, near } = visitors[expert]!;
    if (isNear) {
      near[nears[expert]!++] = token;
      return;
    }
    shares[visits[expert]!] = weights[token * perToken + rank]!;
    tokens[visits[expert]!++] = token;
  });
  return visitors;
}
