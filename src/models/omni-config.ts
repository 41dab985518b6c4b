import { asObject, show } from "../checkpoint/json.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import { has } from "./config-fields.ts";
import { rename } from "./fold.ts";

/** Names of transformers' NemotronH_Omni_Reasoning_V3_Config -> those that mlx-vlm reads. */
const otherNames = [
  ["image_token_id", "img_context_token_id"],
  ["video_token_id", "video_context_token_id"],
  ["audio_token_id", "sound_context_token_id"],
  ["audio_config", "sound_config"],
  ["vision_hidden_size", "vit_hidden_size"],
] as const;

/** Most class tokens and registers of a vision tower. */
const mostTokens = 1024;

/**
 * The config around the language model's, as mlx-vlm's nemotron_h_nano_omni reads it. Throws
 * BAD_CHECKPOINT where two spellings of a key contradict each other.
 */
export function omniConfig(outer: ModelConfig): ModelConfig {
  const { llm_config: _l, text_config: _t, ...config } = outer;
  for (const [from, to] of otherNames) rename(config, from, to);
  const vision = asObject(config.vision_config);
  return vision === undefined ? config : { ...config, vision_config: radioConfig(vision) };
}

/**
 * The vision tower's config with the keys of the authors' code. transformers' RadioConfig counts
 * class tokens and registers; the authors' `args` list the teachers, one class token each, and fill
 * up with registers to a multiple.
 */
function radioConfig(vision: ModelConfig): ModelConfig {
  if (has(vision, "args") || !has(vision, "num_cls_tokens")) return vision;
  const { num_cls_tokens: classes, num_registers: registers = 7 } = vision;
  const { max_img_size: cpe_max_size = 2048, hidden_size = 1280, mlp_ratio = 4 } = vision;
  const [tokens, more] = [countOf(classes), countOf(registers)];
  const teachers = Array.from({ length: tokens }, (_, i) => ({ name: String(i) }));
  const args = { cpe_max_size, teachers, register_multiple: more === 0 ? null : tokens + more };
  const intermediate_size = Number(hidden_size) * Number(mlp_ratio);
  return { intermediate_size, ...vision, args };
}

function countOf(value: unknown): number {
  if (Number.isInteger(value) && Number(value) >= 0 && Number(value) <= mostTokens)
    return Number(value);
  throw new OqeError(
    "BAD_CHECKPOINT",
    'config.json: "num_cls_tokens" and "num_registers" in "vision_config" should be counts up to ' +
      `${mostTokens}, got ${show(value)}`,
    "Compare it with the config of the model that this one derives from.",
  );
}
