import type { ModelConfig } from "../checkpoint/model-config.ts";
import { flag, has, integer, layerCount } from "./config-fields.ts";

/**
 * Whether attention of a folded config sees only the last `sliding_window` positions, by the rules
 * of transformers' config classes. mlx-lm attends to all positions in all of these.
 */
export type HasWindow = (config: ModelConfig) => boolean;

/** Mistral: in every layer. */
export const windowInAllLayers: HasWindow = (config) => has(config, "sliding_window");

/** Qwen3 MoE: in every layer, if switched on. */
export const windowIfUsed: HasWindow = (config) =>
  flag(config, "use_sliding_window") && has(config, "sliding_window");

/** Dense Qwen: from layer `max_window_layers` on, unless `layer_types` gives each layer's kind. */
export const windowInLastLayers: HasWindow = (config) => {
  if (Array.isArray(config.layer_types)) return config.layer_types.includes("sliding_attention");
  if (!windowIfUsed(config)) return false;
  const first = config.max_window_layers === 0 ? 0 : integer(config, "max_window_layers");
  return first < layerCount(config, "num_hidden_layers");
};
