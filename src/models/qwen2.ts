import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { Architecture } from "./architecture.ts";
import { flag, integer } from "./config-fields.ts";
import { attentionRoles, llama, mlpRoles, transformerForward } from "./llama.ts";
import { biasesOf } from "./roles.ts";

const always = () => true;
const inputs = attentionRoles.filter(({ projection }) => projection !== "o");

/** Qwen2 and Qwen2.5 (mlx-lm models/qwen2.py): Llama with biases of q, k and v. */
export const qwen2: Architecture = {
  ...llama,
  modelType: "qwen2",
  label: "Qwen2",
  roles: () => [...attentionRoles, ...mlpRoles, ...biasesOf(inputs, always)],
  forward: transformerForward({ window: qwenWindow }),
};

/**
 * The sliding window of a layer: that of layers from `max_window_layers` on, or of those that `layer_types` names
 * (transformers' configuration_qwen2.py and configuration_qwen3.py).
 */
export function qwenWindow(c: ModelConfig, layer: number): number | null {
  if (!flag(c, "use_sliding_window", false) || c.sliding_window === null) return null;
  const named = Array.isArray(c.layer_types) ? c.layer_types[layer] : undefined;
  const isSliding =
    named === undefined
      ? layer >= integer(c, "max_window_layers", 28)
      : named === "sliding_attention";
  return isSliding ? integer(c, "sliding_window", 4096) : null;
}
