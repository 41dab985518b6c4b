import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import { flag, integer } from "./config-fields.ts";

/** The window of a Qwen config, whatever the layer; an absent key has transformers' default. */
export function windowOf(c: ModelConfig): number | null {
  if (!flag(c, "use_sliding_window", false) || c.sliding_window === null) return null;
  return integer(c, "sliding_window", 4096);
}

/**
 * The window of one layer of a Qwen2 or Qwen3: the layers that `layer_types` names have it, or those from `max_window_layers` on
 * (transformers' configuration_qwen2.py and configuration_qwen3.py). Throws BAD_CHECKPOINT where a layer has a window of no size.
 */
export function windowFrom(c: ModelConfig, layer: number): number | null {
  const window = windowOf(c);
  if (!Array.isArray(c.layer_types)) {
    const first = c.max_window_layers === 0 ? 0 : integer(c, "max_window_layers", 28);
    return layer >= first ? window : null;
  }
  if (c.layer_types[layer] !== "sliding_attention") return null;
  if (window !== null) return window;
  throw new OqeError(
    "BAD_CHECKPOINT",
    `config.json: "layer_types" gives layer ${layer} a sliding window, but "use_sliding_window" and "sliding_window" give none`,
    "Correct the config, or ask the model's authors.",
  );
}
