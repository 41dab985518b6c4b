import type { ModelConfig } from "../checkpoint/model-config.ts";
import { pieces } from "../ground/pieces.ts";
import type { Matrix, Weight } from "../kernel/matrix.ts";
import type { Architecture } from "./architecture.ts";
import { tensor } from "./blocks.ts";
import { integer } from "./config-fields.ts";
import type { BlockContext, LinearOptions, WalkContext } from "./forward.ts";
import type { LayerKind } from "./layer-kind.ts";
import type { Ops } from "./ops.ts";
import type { Routing } from "./routing.ts";

/** The weights of a base, or of a finished MLX repository. `layer` is null outside the blocks. */
export interface WeightSource {
  /** An unquantized tensor as float32, flat; null where the config has none. */
  unquantized(layer: number | null, role: string): Promise<Float32Array<SharedArrayBuffer> | null>;
  /**
   * Rows `[start, end)` of the matrix of a quantizable role or routed expert. Default: all rows.
   */
  matrix(
    layer: number | null,
    role: string,
    expert?: number,
    range?: readonly [number, number],
  ): Promise<Weight>;
}

/** A model that can be run. */
export interface Model {
  readonly architecture: Architecture;
  readonly config: ModelConfig;
  readonly weights: WeightSource;
  readonly ops: Ops;
}

export interface RunOptions {
  /** Tokens of a sequence. */
  readonly length: number;
  /** As BlockContext.routes, of a layer. Default: the model's own choice. */
  readonly routes?: (layer: number, own: Routing) => Routing | Promise<Routing>;
  /** As BlockContext.router, of a layer. Default: the model's own gate. */
  readonly router?: (
    layer: number,
    role: string,
    x: Matrix,
  ) => Promise<Float32Array<SharedArrayBuffer>>;
}

/** The matrix that makes logits, read part by part. */
export interface Head {
  readonly vocabulary: number;
  readonly hidden: number;
  /** The rows of the tokens `[start, end)`. */
  read(start: number, end: number): Promise<HeadRows>;
}

export interface HeadRows {
  readonly weight: Weight;
  readonly bias: Float32Array<SharedArrayBuffer> | null;
}

/** Elements of a part of the head, and its tokens, at most. */
export const mostOfHead = 2 ** 21;
const mostTokens = 2 ** 12;

/** The parts in which a head is read: `[start, end)` of the vocabulary. */
export function partsOfHead({ vocabulary, hidden }: Head): [start: number, end: number][] {
  const step = Math.max(1, Math.min(mostTokens, Math.floor(mostOfHead / hidden)));
  return pieces(vocabulary, step);
}

export async function openHead({ architecture, config, weights }: Model): Promise<Head> {
  const role = headRole(architecture, config);
  const bias = await weights.unquantized(null, `${role}.bias`);
  const read = async (start: number, end: number) => ({
    weight: await weights.matrix(null, role, undefined, [start, end]),
    bias: bias?.subarray(start, end) ?? null,
  });
  return {
    vocabulary: integer(config, "vocab_size"),
    hidden: integer(config, "hidden_size"),
    read,
  };
}

/** Name of the role of a kind outside the blocks. */
export function outerRole({ outer }: Architecture, kind: "embeddings" | "head"): string {
  const found = outer.find((role) => role.kind === kind);
  if (found === undefined) throw new TypeError(`the role table has no ${kind}`);
  return found.role;
}

/** Name of the role of the matrix that makes logits: a tied head is the embeddings. */
export function headRole(architecture: Architecture, config: ModelConfig): string {
  const own = architecture.outer.find(({ kind }) => kind === "head");
  const isThere = own !== undefined && (own.when?.(config) ?? true);
  return outerRole(architecture, isThere ? "head" : "embeddings");
}

/** Whether the head's matrix is the embeddings. */
export function isTiedTable({ architecture, config }: Omit<Model, "ops" | "weights">): boolean {
  return headRole(architecture, config) === outerRole(architecture, "embeddings");
}

/** A context that answers with the model's own weights. `layer` is null outside the blocks. */
export function plainContext(
  model: Model,
  layer: number | null,
  { length }: RunOptions,
): WalkContext {
  const { config, ops, weights } = model;
  const matrix = (role: string, options?: LinearOptions) =>
    weights.matrix(layer, role, options?.expert);
  return {
    config,
    ops,
    sequenceLength: length,
    unquantized: (role) => weights.unquantized(layer, role),
    weight: (role, _, options) => matrix(role, options),
    linear: async (role, x, options) => {
      const bias = options?.bias ?? (await weights.unquantized(layer, `${role}.bias`));
      return ops.linear(x, await matrix(role, options), bias);
    },
    rows: (role, start, end) => weights.matrix(layer, role, undefined, [start, end]),
  };
}

/** A context of one block that answers with the model's own weights. */
export function blockContext(
  model: Model,
  layer: number,
  kind: LayerKind,
  options: RunOptions,
): BlockContext {
  const plain = plainContext(model, layer, options);
  return {
    ...plain,
    layer,
    kind,
    pool: async () => {},
    router: (role, x) => options.router?.(layer, role, x) ?? tensor(plain, role),
    routes: (own) => options.routes?.(layer, own) ?? own,
    wantsNear: () => false,
  };
}
