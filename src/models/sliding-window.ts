import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import { flag, integer, layerCount } from "./config-fields.ts";

/** Tokens that a layer's attention sees, the token itself included; null: the whole past. */
export type Window = (config: ModelConfig, layer: number) => number | null;

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
  if (!Array.isArray(c.layer_types))
    return layer >= integer(c, "max_window_layers", 28) ? window : null;
  if (c.layer_types[layer] !== "sliding_attention") return null;
  if (window !== null) return window;
  throw new OqeError(
    "BAD_CHECKPOINT",
    `config.json: "layer_types" gives layer ${layer} a sliding window, but "use_sliding_window" and "sliding_window" give none`,
    "Correct the config, or ask the model's authors.",
  );
}

/** What the card says where mlx-lm does not apply a window that the base has. */
export function windowNote(window: Window): (config: ModelConfig) => readonly string[] {
  return (c) => {
    const layers = Array.from({ length: layerCount(c, "num_hidden_layers") }, (_, i) => i);
    const windows = layers.flatMap((layer) => window(c, layer) ?? []);
    const least = Math.min(...windows);
    if (windows.length === 0 || least >= integer(c, "max_position_embeddings", least)) return [];
    return [
      `\`sliding_window\` is ${least}, as in the base, but mlx-lm does not apply it to this model_type: up to ${least} tokens of context it gives the base's logits, beyond them it attends to the whole past`,
    ];
  };
}
