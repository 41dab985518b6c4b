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
