import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { Matrix, Weight } from "../kernel/matrix.ts";
import type { LayerKind } from "./layer-kind.ts";
import type { Ops } from "./ops.ts";
import type { Routing } from "./routing.ts";

/** Which of a role's weights, and what else is known of its input. */
export interface LinearOptions {
  /** Number of the routed expert; for `routed` roles only. */
  readonly expert?: number;
  /** `[tokens, in]` what this input would be for tokens that nearly came: a prior for the Hessian of an expert with few tokens. */
  readonly near?: Matrix;
}

/**
 * What a forward pass asks of whoever walks it, wherever it stands. Roles are those of the architecture's table, of this block or of
 * the glue. A plain run answers with weights (models/run.ts); a tuning walk sees every input first and answers with tuned weights.
 */
export interface WalkContext {
  readonly config: ModelConfig;
  readonly ops: Ops;
  /** Rows of a hidden-state matrix are whole sequences of this many tokens. */
  readonly sequenceLength: number;
  /** A kept tensor as float32, flat. Null where this config has none (biases). */
  kept(role: string): Promise<Float32Array<SharedArrayBuffer> | null>;
  /**
   * The weight of a quantizable role. `x [tokens, in]` is all that will be multiplied with it: whoever tunes gathers the Hessian of
   * the role's `fedBy` from it (once, however many roles share it) before it answers. For products that are made in batches; the bias is the caller's matter.
   * An expert without tokens is asked for all the same, with a matrix of no rows.
   */
  weight(role: string, x: Matrix, options?: LinearOptions): Promise<Weight>;
  /** `x · Wᵀ + bias`: `weight` and the product in one, the bias being the kept role `<role>.bias` where there is one. */
  linear(role: string, x: Matrix, options?: LinearOptions): Promise<Matrix>;
  /** Rows `[start, end)` of a table that is looked up, not multiplied: the embeddings. */
  rows(role: string, start: number, end: number): Promise<Weight>;
}

/** A context that stands in one block. */
export interface BlockContext extends WalkContext {
  readonly layer: number;
  readonly kind: LayerKind;
  /** Announces the input of all experts at once, all tokens of it: the pooled Hessian of `fedBy`. Before any expert's `weight`. */
  pool(fedBy: string, x: Matrix): Promise<void>;
  /** The gate `[routed, hidden]` of a router. `x [tokens, hidden]` is its whole input, which a visitor may record. */
  router(role: string, x: Matrix): Promise<Float32Array<SharedArrayBuffer>>;
  /**
   * Sees the router's choice; what it returns is followed. Returning another Routing forces its experts upon this model: their
   * weights are computed anew from this model's own scores.
   */
  routes(own: Routing): Routing;
  /** Whether `weight` and `linear` make use of `near`, which costs the products of three times as many tokens. */
  readonly wantsNear: boolean;
}

/** The forward pass of an architecture, block by block. Nothing here changes its operands: every step returns new matrices. */
export interface Forward {
  /** Throws UNSUPPORTED_MODEL where the config asks for what these passes do not do, BAD_CHECKPOINT where it makes no sense. */
  check(config: ModelConfig): void;
  /** Hidden states `[tokens, hidden]` of whole sequences of token ids. */
  embed(at: WalkContext, ids: Uint32Array): Promise<Matrix>;
  /** Hidden states `[tokens, hidden]` after the block. */
  block(at: BlockContext, x: Matrix): Promise<Matrix>;
  /** What the head multiplies, `[tokens, hidden]`: the final norm. Logits = `at.linear(headRole(…), …)`. */
  finish(at: WalkContext, x: Matrix): Promise<Matrix>;
}
