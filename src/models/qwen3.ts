import type { Architecture, Role } from "./architecture.ts";
import { headSize } from "./config-fields.ts";
import { foldQwen3 } from "./fold-transformer.ts";
import { attentionRoles, keptNorm, llama, mlpRoles } from "./llama.ts";

/** Qwen3 normalises queries and keys per head before the rotary embedding. */
export const headNorms: readonly Role[] = [
  keptNorm("norm.q", "model.layers.{i}.self_attn.q_norm.weight", (c) => [headSize(c)]),
  keptNorm("norm.k", "model.layers.{i}.self_attn.k_norm.weight", (c) => [headSize(c)]),
];

/** Qwen3, dense (mlx-lm models/qwen3.py). */
export const qwen3: Architecture = {
  ...llama,
  modelType: "qwen3",
  fold: foldQwen3,
  roles: () => [...attentionRoles, ...headNorms, ...mlpRoles],
};
