import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { Width } from "../kernel/width.ts";
import type { Carried } from "./carried.ts";
import type { Folded } from "./fold.ts";
import type { Forward } from "./forward.ts";
import type { LayerKind } from "./layer-kind.ts";
import type { Source } from "./source.ts";
import type { Transform } from "./transforms.ts";

/** Programs that load MLX repositories. */
export const loaders = ["mlx-lm", "mlx-vlm"] as const;
export type Loader = (typeof loaders)[number];

/** Kinds of tensors, by their use in the model. */
export type RoleKind =
  | "embeddings" // a table of rows that are looked up
  | "linear" // a matrix that all tokens are multiplied with
  | "expert" // a matrix of a routed expert
  | "head" // the matrix that makes logits
  | "router" // the matrix that scores the experts
  | "correction" // the bias that a router adds to the scores before it chooses
  | "gate" // the vector whose product with a token scales the shared expert
  | "norm" // a factor for each channel
  | "bias" // a vector that is added to the product of a matrix
  | "convolution"
  | "state"; // a parameter of a state-space recurrence

/** Parts of a model that have matrices, from its input to its output. Floors are given by part. */
export const parts = [
  "embeddings",
  "mamba",
  "delta",
  "attention",
  "experts",
  "shared",
  "latent",
  "mlp",
  "head",
] as const;
export type Part = (typeof parts)[number];

/** The sublayer of a block that a part belongs to; null for parts outside the blocks. */
export const sublayers: Readonly<Record<Part, keyof LayerKind | null>> = {
  embeddings: null,
  mamba: "mixer",
  delta: "mixer",
  attention: "mixer",
  experts: "mlp",
  shared: "mlp",
  latent: "mlp",
  mlp: "mlp",
  head: null,
};

/**
 * Matrices of a part, from its input to its output. Of a gated DeltaNet: z makes the gate of its
 * output, b how strongly a token writes, a how fast the state decays.
 */
export const projections = [
  "in",
  "z",
  "b",
  "a",
  "ba",
  "q",
  "k",
  "v",
  "o",
  "gate",
  "up",
  "down",
  "out",
] as const;
export type Projection = (typeof projections)[number];

/**
 * One row of a role table: which tensor of the base becomes which tensor of the MLX repository, and
 * what is known about it. In names, `{i}` is the layer and `{e}` the routed expert. All experts of
 * a layer are stacked along a new first axis.
 */
export interface Role {
  /**
   * Name of the row, unique within a block: `<part>.<projection>` for a matrix. Forward passes ask
   * for weights by it.
   */
  readonly role: string;
  readonly kind: RoleKind;
  /** Null for a tensor that belongs to no part: the norms and the router of a block. */
  readonly part: Part | null;
  /** Null for the only matrix of a part, and for other tensors. */
  readonly projection: Projection | null;
  /** Tensor name in the base checkpoint, as published by the model's authors. */
  readonly base: string;
  /** Tensor name in the MLX repository, as mlx-lm's `sanitize` gives it (docs/format.md). */
  readonly mlx: string;
  /**
   * Name of the activation that this matrix multiplies. Roles with the same `fedBy` share one
   * Hessian. Null for the embeddings, and for a tensor that is not a matrix.
   */
  readonly fedBy: string | null;
  /**
   * For a norm that reads the residual stream: the activations (`fedBy` names) that are its output.
   * The first such norm of a block reads the output of the earlier blocks.
   */
  readonly feeds?: readonly string[];
  /** The output of this matrix is added to the residual stream. */
  readonly residual?: true;
  readonly treatment: "quantized" | "unquantized";
  /** Why an unquantized tensor is not quantized, for the plan and the card. */
  readonly why?: string;
  /** Shape of ONE base tensor under this config. */
  readonly shape: (config: ModelConfig) => readonly number[];
  /**
   * Steps from the base tensor to the MLX tensor, or to one member of its stack (transforms.ts).
   * Default: none, the values are the same in the same order.
   */
  readonly from?: (config: ModelConfig) => readonly Transform[];
  /** Width of a tensor that we leave unquantized in `mlx_lm.convert -q`, by its quant_predicate. */
  readonly stockWidth?: Width;
  /** Not cast to the storage dtype, as mlx-lm's cast_predicate says. */
  readonly exemptFromCast?: true;
  /** Part of a routed expert, stacked: one base tensor per expert, or a slice of a base tensor. */
  readonly routed?: true;
  /** Whether a config has this tensor (biases, tied heads). Default: always. */
  readonly when?: (config: ModelConfig) => boolean;
}

/** Whether this is the last matrix of a routed expert: its output is the expert's. */
export function leavesExpert({ routed, projection }: Role): boolean {
  return routed === true && projection === "down";
}

/**
 * The matrix behind a mixture whose experts work in a narrower space: it takes the sum of their
 * outputs to the residual stream. Null where the experts' outputs are added to the stream.
 */
export function behindExperts(roles: readonly Role[]): Role | null {
  if (roles.some((role) => leavesExpert(role) && role.residual === true)) return null;
  return roles.find(({ part, residual }) => part === "latent" && residual === true) ?? null;
}

/** Everything that is known about one `model_type`. Registered in models/registry.ts. */
export interface Architecture {
  /** `model_type` of the tiers: mlx-lm has a file of this name, or mlx-vlm a folder. */
  readonly modelType: string;
  /**
   * Values of `model_type` in bases. Default: `modelType` alone. Others are of models that mlx-lm
   * runs as a part only (nemotron-h-omni.ts), or of a language model alone (qwen3-5.ts).
   */
  readonly baseTypes?: readonly string[];
  /** Name for people, on cards. */
  readonly label: string;
  /**
   * What mlx-vlm loads: the repository that mlx-lm loads (`same`), or one of its own. Absent: it
   * has no such type.
   */
  readonly inMlxVlm?: "same" | Architecture;
  /** Set where mlx-vlm alone loads the tiers. */
  readonly loader?: "mlx-vlm";
  /**
   * The config in mlx-lm's spelling with all of transformers' defaults explicit. Everything else
   * here reads folded configs only. Throws UNSUPPORTED_MODEL for a config that mlx-lm would compute
   * in another way, BAD_CHECKPOINT for a config that contradicts itself.
   */
  fold(config: ModelConfig): Folded;
  /** Kind of every block, in order. Throws BAD_CHECKPOINT for a config that gives no such list. */
  layers(config: ModelConfig): readonly LayerKind[];
  /** Roles outside the blocks: embeddings, final norm and head. */
  readonly outer: readonly Role[];
  /**
   * Roles inside a block of a kind, in the order of the MLX parameters. Among equals a plan prefers
   * the earlier. A norm follows the matrices of its block whose output it reads.
   */
  roles(kind: LayerKind): readonly Role[];
  /** Routed experts and how many are active per token; null for dense models. */
  experts(
    config: ModelConfig,
  ): { readonly routed: number; readonly perToken: number; readonly shared: number } | null;
  /**
   * Whether the MLX repository leaves a base tensor out: multi-token-prediction heads, rotary
   * tables, the copy of a tied head.
   */
  dropped(name: string, config: ModelConfig): boolean;
  /** Parts that the MLX repository can hold as the base has them. Default: none. */
  readonly carried?: readonly Carried[];
  /**
   * The architecture with the rows of the layout that a base has, where some bases have one tensor
   * for what others have in several. `names`: those of its language model. Default: there is one
   * layout. Throws BAD_CHECKPOINT for a base that mixes them.
   */
  inLayoutOf?(names: Iterable<string>): Architecture;
  /** The name of a base's tensor in bases that spell it in another way. */
  alsoNamed?(name: string): string;
  /**
   * Class of transformers' tokenizer where tokenizer_config.json names none; null: it names one.
   * Only read where tokenizer.json is missing.
   */
  readonly tokenizerClass: string | null;
  /**
   * Whether policy `oq` counts the model as a mixture of experts. oMLX looks for the config keys
   * `num_experts` and `num_local_experts`. So Nemotron-H (`n_routed_experts`) does not count, and
   * the published series depends on this.
   */
  readonly countsAsMoe: boolean;
  /** A copy of the config whose keys make mlx-lm compute the same as transformers. */
  mlxConfig(config: ModelConfig): ModelConfig;
  /** Why mlxConfig changes a key, for the card. */
  readonly configReasons: Readonly<Record<string, string>>;
  /**
   * The most tokens whose keys and values mlx-lm keeps for a layer: its sliding window. Default,
   * and null: all tokens.
   */
  cachedTokens?(config: ModelConfig, layer: number): number | null;
  /** Its arithmetic, block by block. */
  readonly forward: Forward;
}

/** A tensor of the MLX repo and where its values lie in the base. */
export interface OutputTensor {
  readonly role: Role;
  readonly layer: number | null;
  readonly name: string;
  /** Shape in the MLX repo: [experts?, rows, columns], or that of the unquantized tensor. */
  readonly shape: readonly number[];
  /** One for each member of an expert stack, in stacking order; one for any other tensor. */
  readonly sources: readonly Source[];
}

/** A tensor of the output with the dtype of its values as they are read from the base. */
export interface PlannedTensor extends OutputTensor {
  /** The base's own dtype. F32 where a transform computes (`plusOne`), and of decoded values. */
  readonly dtype: string;
}
