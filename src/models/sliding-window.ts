import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import { flag, has, integer } from "./config-fields.ts";

/** Tokens that a layer's attention sees, the token itself included; null: the whole past. */
export type WindowRule = (config: ModelConfig, layer: number) => number | null;

/** Mistral: all layers have the window. */
export const windowOfAll: WindowRule = (c) =>
  has(c, "sliding_window") ? integer(c, "sliding_window") : null;

/** Qwen3 MoE: all layers have the window, if the config switches it on. */
export const windowIfUsed: WindowRule = (c, layer) =>
  flag(c, "use_sliding_window") ? windowOfAll(c, layer) : null;

/**
 * Qwen2 and Qwen3: the layers that `layer_types` names have the window, or those from
 * `max_window_layers` on (transformers' configuration_qwen2.py and configuration_qwen3.py). Throws
 * BAD_CHECKPOINT where a layer has a window of no size.
 */
export const windowFrom: WindowRule = (c, layer) => {
  const window = windowIfUsed(c, layer);
  if (!Array.isArray(c.layer_types)) {
    const first = c.max_window_layers === 0 ? 0 : integer(c, "max_window_layers");
    return layer >= first ? window : null;
  }
  if (c.layer_types[layer] !== "sliding_attention") return null;
  if (window !== null) return window;
  throw new OqeError(
    "BAD_CHECKPOINT",
    `config.json: "layer_types" gives layer ${layer} a sliding window, ` +
      `but "use_sliding_window" and "sliding_window" give none`,
    "Correct the config, or ask the model's authors.",
  );
};
