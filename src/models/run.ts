import type { ModelConfig } from "../checkpoint/model-config.ts";
import { type Matrix, newMatrix, type Weight } from "../kernel/matrix.ts";
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
  /** Called after each block. */
  readonly progress?: (layersDone: number, layers: number) => void;
}

/**
 * Input of the head, `[tokens, hidden]`, for the ids of whole sequences. The weights of one block
 * at a time are in memory.
 */
export async function runModel(
  model: Model,
  ids: Uint32Array,
  options: RunOptions,
): Promise<Matrix> {
  const { forward } = model.architecture;
  const layers = model.architecture.layers(model.config);
  const outer = plainContext(model, null, options);
  let x = await forward.embed(outer, ids);
  for (const [layer, kind] of layers.entries()) {
    x = await forward.block(blockContext(model, layer, kind, options), x);
    options.progress?.(layer + 1, layers.length);
  }
  return forward.finish(outer, x);
}

/** Logits `[tokens, vocabulary]` of the result of `runModel`, or of some of its rows. */
export async function logitsOf(model: Model, x: Matrix): Promise<Matrix> {
  return (await openHead(model))(x);
}

/** Elements of a head that are in memory as float32 at once. */
const mostOfHead = 2 ** 25;

/**
 * The same as a function for many calls. A small matrix is read once; of a large one, some rows
 * after the other are read in every call.
 */
export async function openHead({
  architecture,
  config,
  weights,
  ops,
}: Model): Promise<(x: Matrix) => Promise<Matrix>> {
  const role = headRole(architecture, config);
  const bias = await weights.unquantized(null, `${role}.bias`);
  const [vocabulary, hidden] = [integer(config, "vocab_size"), integer(config, "hidden_size")];
  if (vocabulary * hidden <= mostOfHead) {
    const weight = await weights.matrix(null, role);
    return (x) => ops.linearByOutputs(x, weight, bias);
  }
  const rows = Math.ceil(mostOfHead / hidden);
  return async (x) => {
    const y = newMatrix(x.rows, vocabulary);
    for (let left = 0; left < vocabulary; left += rows) {
      const range = [left, Math.min(vocabulary, left + rows)] as const;
      const weight = await weights.matrix(null, role, undefined, range);
      await ops.outputsInto(x, weight, bias && bias.subarray(...range), { y, left });
    }
    return y;
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
    linear: async (role, x, options) =>
      ops.linear(x, await matrix(role, options), await weights.unquantized(layer, `${role}.bias`)),
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
