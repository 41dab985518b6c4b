import { sharedFloats, sharedIntegers } from "../kernel/matrix.ts";

/**
 * What a router chose for every token. Ranks run by descending selection score, ties by ascending expert; the first `perToken` are
 * the experts that the token visits, the others the nearest that it does not.
 */
export interface Routing {
  readonly tokens: number;
  /** Routed experts of the layer. */
  readonly routed: number;
  readonly perToken: number;
  /** Ranks that are kept of each token: 3 · perToken, at most all experts. */
  readonly kept: number;
  /** `[tokens, kept]` */
  readonly experts: Uint32Array<SharedArrayBuffer>;
  /** `[tokens, kept]` score that the choice was made by; -Infinity for an expert of a group that was ruled out. */
  readonly selection: Float32Array<SharedArrayBuffer>;
  /** `[tokens, perToken]` weight of each visited expert's output, as this model's own router says. */
  readonly weights: Float32Array<SharedArrayBuffer>;
  /** `[tokens, routed]` sigmoid or softmax of the router's logits, without the correction bias. */
  readonly scores: Float32Array<SharedArrayBuffer>;
}

/** The tokens of one expert, ascending. */
export interface Visitors {
  readonly tokens: Uint32Array<SharedArrayBuffer>;
  /** Weight of the expert's output for each of them. */
  readonly weights: Float32Array<SharedArrayBuffer>;
  /** Tokens that it was one of the nearest of, without being visited. */
  readonly near: Uint32Array<SharedArrayBuffer>;
}

/** Who visits each expert. */
export function visitorsOf(routing: Routing): readonly Visitors[] {
  const { tokens, routed, perToken, kept, experts, selection, weights } = routing;
  const [visits, nears] = [new Uint32Array(routed), new Uint32Array(routed)];
  const each = (visit: (token: number, rank: number, expert: number, isNear: boolean) => void) => {
    for (let token = 0; token < tokens; token++) {
      for (let rank = 0; rank < kept; rank++) {
        const at = token * kept + rank;
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
