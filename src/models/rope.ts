import { asObject } from "../checkpoint/json.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { RopeScaling } from "../kernel/routines/rotary.ts";
import { has, headSize, integer, number, positive } from "./config-fields.ts";

export interface RotaryParameters {
  /** Base wavelength. */
  readonly base: number;
  readonly scaling: RopeScaling;
}

/**
 * The rotary embedding of a folded config (fold-rope.ts) for sequences of `length` tokens, over
 * `size` channels of a head.
 * Throws BAD_CHECKPOINT for a config that was not folded.
 */
export function ropeOf(
  config: ModelConfig,
  length: number,
  size: number = headSize(config),
): RotaryParameters {
  const base = positive(config, "rope_theta");
  const rope = asObject(config.rope_scaling);
  if (rope === undefined || rope.rope_type === "default")
    return { base, scaling: { kind: "default" } };
  const factor = positive(rope, "factor");
  switch (rope.rope_type) {
    case "linear":
      return { base, scaling: { kind: "linear", factor } };
    case "dynamic":
      return { base: dynamicBase(config, factor, length, size), scaling: { kind: "default" } };
    case "llama3":
      return { base, scaling: { kind: "llama3", factor, ...llama3(rope) } };
    case "yarn":
      return { base, scaling: { kind: "yarn", factor, ...yarn(rope) } };
    default:
      throw new TypeError(`rope type ${String(rope.rope_type)} has not been folded`);
  }
}

function llama3(rope: ModelConfig) {
  return {
    low: positive(rope, "low_freq_factor"),
    high: positive(rope, "high_freq_factor"),
    original: integer(rope, "original_max_position_embeddings"),
  };
}

function yarn(rope: ModelConfig) {
  const mscales = [number(rope, "mscale"), number(rope, "mscale_all_dim")] as const;
  return {
    fast: positive(rope, "beta_fast"),
    slow: positive(rope, "beta_slow"),
    original: integer(rope, "original_max_position_embeddings"),
    whole: rope.truncate !== false,
    attention: has(rope, "attention_factor") ? positive(rope, "attention_factor") : null,
    mscales,
  };
}

/** NTK's rule for sequences beyond the pretrained length (_compute_dynamic_ntk_parameters). */
function dynamicBase(config: ModelConfig, factor: number, length: number, size: number) {
  const limit = integer(config, "max_position_embeddings");
  const stretch = (factor * Math.max(length, limit)) / limit - (factor - 1);
  return positive(config, "rope_theta") * stretch ** (size / (size - 2));
}
