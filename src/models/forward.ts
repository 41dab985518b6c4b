import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { Floats, Matrix, Weight } from "../kernel/matrix.ts";
import type { LayerKind } from "./layer-kind.ts";
import type { Input } from "./lazy-rows.ts";
import type { Ops } from "./ops.ts";
import type { Routing } from "./routing.ts";

/** Selects one of a role's weights, and gives more facts about its input. */
export interface LinearOptions {
  /** Number of the routed expert; for `routed` roles only. */
  readonly expert?: number;
  /**
   * `[tokens, in]`: the input for tokens that do not visit this expert but have it among the next
   * best. Tuning adds it with a small weight to the Hessian of an expert with few tokens.
   */
  readonly near?: Matrix;
  /** `[out]`: what `linear` adds. Default: the role `<role>.bias`, if there is one. */
  readonly bias?: Floats;
}

/**
 * The requests of a forward pass. Roles are rows of the architecture's table: of this block, or of
 * the tensors outside the blocks. A plain run answers with the model's weights (run.ts). Tuning and
 * measuring record each input first, and may answer with other weights.
 */
export interface WalkContext {
  readonly config: ModelConfig;
  readonly ops: Ops;
  /** Tokens of a sequence. The rows of hidden states are whole sequences. */
  readonly sequenceLength: number;
  /** An unquantized tensor as float32, flat. Null where this config has none (biases). */
  unquantized(role: string): Promise<Float32Array<SharedArrayBuffer> | null>;
  /**
   * The weight of a quantizable role, for products that are made in batches. The caller adds the
   * bias. `x [tokens, in]` are all rows that will be multiplied with it: tuning makes the Hessian
   * of the role's `fedBy` from them, once for all roles that share it. An expert without tokens is
   * asked for with a matrix of no rows.
   */
  weight(role: string, x: Input, options?: LinearOptions): Promise<Weight>;
  /** `x · Wᵀ + bias` */
  linear(role: string, x: Matrix, options?: LinearOptions): Promise<Matrix>;
  /** Rows `[start, end)` of a table that is looked up: the embeddings. */
  rows(role: string, start: number, end: number): Promise<Weight>;
}

/** The requests of a forward pass inside one block. */
export interface BlockContext extends WalkContext {
  readonly layer: number;
  readonly kind: LayerKind;
  /**
   * Gives the input of all experts, for the pooled Hessian of `fedBy`. Called with all tokens,
   * before any expert's `weight`. The memory of x is reused afterwards.
   */
  pool(fedBy: string, x: Matrix): Promise<void>;
  /**
   * The gate `[routed, hidden]` of a router. `x [tokens, hidden]` is the router's whole input; its
   * memory is reused afterwards.
   */
  router(role: string, x: Matrix): Promise<Float32Array<SharedArrayBuffer>>;
  /**
   * Gets the router's choice and returns the choice to follow. If it returns another one, the model
   * visits those experts, with weights computed from its own scores.
   */
  routes(own: Routing): Routing | Promise<Routing>;
  /** Whether an expert's `near` is used. It costs the products of twice as many tokens. */
  wantsNear(expert: number): boolean;
}

/** The forward pass of an architecture, block by block. No step changes its operands. */
export interface Forward {
  /**
   * Throws UNSUPPORTED_MODEL for a config that the pass cannot compute, BAD_CHECKPOINT for one that
   * contradicts itself.
   */
  check(config: ModelConfig): void;
  /** Hidden states `[tokens, hidden]` of whole sequences of token ids. */
  embed(at: WalkContext, ids: Uint32Array): Promise<Matrix>;
  /** Hidden states `[tokens, hidden]` after the block. */
  block(at: BlockContext, x: Matrix): Promise<Matrix>;
  /** Input of the head, `[tokens, hidden]`: the final norm. */
  finish(at: WalkContext, x: Matrix): Promise<Matrix>;
}
