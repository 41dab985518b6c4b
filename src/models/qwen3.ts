import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { Architecture } from "./architecture.ts";
import { flag, has, headSize, integer, layerCount } from "./config-fields.ts";
import { attentionRoles, llama, mlpRoles, transformerForward } from "./llama.ts";
import { rolesUnder } from "./roles.ts";

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
  forward: transformerForward({ isWindowed }),
};

/** Layers from `max_window_layers` on have a window, unless `layer_types` says each layer's kind. */
function isWindowed(c: ModelConfig): boolean {
  if (Array.isArray(c.layer_types)) return c.layer_types.includes("sliding_attention");
  const used = flag(c, "use_sliding_window", false) && has(c, "sliding_window");
  return used && integer(c, "max_window_layers", 28) < layerCount(c, "num_hidden_layers");
}
