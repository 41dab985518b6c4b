import type { Architecture } from "./architecture.ts";
import { headSize } from "./config-fields.ts";
import { attentionRoles, llama, mlpRoles, transformerForward } from "./llama.ts";
import { rolesUnder } from "./roles.ts";
import { windowFrom } from "./sliding-window.ts";

const attention = rolesUnder("model.layers.{i}.self_attn.");

/** Qwen3 normalises queries and keys per head before the rotary embedding. */
export const headNorms = [
  attention.norm("norm.q", "q_norm", headSize),
  attention.norm("norm.k", "k_norm", headSize),
];

/** Qwen3, dense (mlx-lm models/qwen3.py). */
export const qwen3: Architecture = {
  ...llama,
  modelType: "qwen3",
  label: "Qwen3",
  roles: () => [...attentionRoles, ...headNorms, ...mlpRoles],
  forward: transformerForward({ window: windowFrom }),
};
