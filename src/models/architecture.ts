import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { Forward } from "./forward.ts";
import type { LayerKind } from "./layer-kind.ts";
import type { Source, Transform } from "./source.ts";

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
  /**
   * Steps from the base tensor to the MLX tensor, or to one member of its stack (source.ts).
   * Default: none, the values are the same in the same order.
   */
  readonly from?: (config: ModelConfig) => readonly Transform[];
  /** Kept tensors are cast to the storage dtype unless mlx-lm's cast_predicate exempts them. */
  readonly exemptFromCast?: true;
  /** Part of a routed expert, stacked: one base tensor per expert, or a slice of a base tensor. */
  readonly routed?: true;
  /** Absent under some configs (biases, tied heads). Default: always there. */
  readonly when?: (config: ModelConfig) => boolean;
}

/** A role table plus what the table cannot say. One per `model_type`; registered in models/registry.ts. */
export interface Architecture {
  readonly modelType: string;
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

/** A tensor of the MLX repo and where its values lie in the base. */
export interface OutputTensor {
  readonly role: Role;
  readonly layer: number | null;
  readonly name: string;
  /** Shape in the MLX repo: [experts?, rows, columns] or as kept. */
  readonly shape: readonly number[];
  /** One for each member of an expert stack, in stacking order; one for any other tensor. */
  readonly sources: readonly Source[];
}

/** A tensor of the output with the dtype of its values as they are read from the base. */
export interface PlannedTensor extends OutputTensor {
  /** The base's own dtype. F32 where a transform computes (`plusOne`). */
  readonly dtype: string;
}
