import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { Folded } from "./fold.ts";
import type { Forward } from "./forward.ts";
import type { LayerKind } from "./layer-kind.ts";

/**
 * One line of a role table: which tensor of the base becomes which tensor of the MLX repo, and how it is treated.
 * `{i}` is the layer, `{e}` the routed expert. All experts of a layer are stacked along a new first axis.
 */
export interface Role {
  readonly role: string;
  /** Tensor name in the base checkpoint, as published by the model's authors. */
  readonly base: string;
  /** Tensor name in the MLX repo (mlx-lm's `sanitize` of the same class: facts in docs/format.md). */
  readonly mlx: string;
  /** Name of the activation that feeds this matrix; roles with the same `fedBy` share one Hessian. Null: not a matrix product. */
  readonly fedBy: string | null;
  readonly treatment: "quantized" | "kept";
  /** Why a kept tensor is kept, for the plan and the card. */
  readonly why?: string;
  /** Shape of ONE base tensor under this config. */
  readonly shape: (config: ModelConfig) => readonly number[];
  /** Shape in the MLX repo where it differs other than by stacking (conv1d: [C, 1, k] -> [C, k, 1]; the bytes are the same). */
  readonly mlxShape?: (config: ModelConfig) => readonly number[];
  /** Kept tensors are cast to the storage dtype unless mlx-lm's cast_predicate exempts them. */
  readonly exemptFromCast?: true;
  /** Part of a routed expert: one base tensor per expert, stacked. */
  readonly routed?: true;
  /** Absent under some configs (biases, tied heads). Default: always there. */
  readonly when?: (config: ModelConfig) => boolean;
}

/** A role table plus what the table cannot say. One per `model_type`; registered in models/registry.ts. */
export interface Architecture {
  readonly modelType: string;
  /**
   * The config in mlx-lm's spelling with all of transformers' defaults explicit. Everything else here
   * reads folded configs only. Throws UNSUPPORTED_MODEL for what mlx-lm would compute otherwise,
   * BAD_CHECKPOINT for a config that contradicts itself.
   */
  fold(config: ModelConfig): Folded;
  /** Kind of every block, in order; its length is the layer count. Throws OqeError BAD_CHECKPOINT on a config that makes no sense. */
  layers(config: ModelConfig): readonly LayerKind[];
  /** Roles outside the blocks (embeddings, final norm, head). */
  readonly glue: readonly Role[];
  /** Roles inside a block at `index`, by its kind. Order = order of the plan's greedy steps and of the MLX parameters. */
  roles(kind: LayerKind): readonly Role[];
  /** Routed experts and how many are active per token; null for dense models. */
  experts(
    config: ModelConfig,
  ): { readonly routed: number; readonly perToken: number; readonly shared: number } | null;
  /** Base tensors that the MLX repo leaves out (multi-token-prediction heads, rotary tables, the copy of a tied head). */
  dropped(name: string, config: ModelConfig): boolean;
  /** Keys to add or change so that mlx-lm behaves as the base does. Applied to a copy of the config. */
  mlxConfig(config: ModelConfig): ModelConfig;
  /** Why mlxConfig changes a key, for the card. */
  readonly configReasons: Readonly<Record<string, string>>;
  /** Its arithmetic, block by block. */
  readonly forward: Forward;
}

/** A tensor of the MLX repo and the base tensors it is made of (several for an expert stack). */
export interface OutputTensor {
  readonly role: Role;
  readonly layer: number | null;
  readonly name: string;
  /** Shape in the MLX repo: [experts?, rows, columns] or as kept. */
  readonly shape: readonly number[];
  /** Base tensor names in stacking order. */
  readonly sources: readonly string[];
}

/** A tensor of the output with its dtype in the base, as the planner needs it. */
export interface PlannedTensor extends OutputTensor {
  readonly dtype: string;
}
