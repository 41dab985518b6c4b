import { asObject, show } from "../checkpoint/json.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import type { Architecture, Role } from "./architecture.ts";
import type { Carried } from "./carried.ts";
import { has } from "./config-fields.ts";
import type { Defaults, Folded } from "./fold.ts";
import { foldNested } from "./fold-nested.ts";
import { foldTransformer } from "./fold-transformer.ts";
import { foldInterval, hybridLayers } from "./hybrid-layers.ts";
import { type HasLeaf, hybridMtp } from "./hybrid-mtp.ts";
import { llama, mlpRoles } from "./llama.ts";
import { fillTower, towerDepth, towerTensors } from "./qwen3-5-tower.ts";
import {
  alwaysGated,
  fullAttention,
  hybridDefaults,
  hybridForward,
  hybridOuter,
  hybridRoles,
  usualRotary,
} from "./qwen3-next.ts";
import { channelsLast } from "./transforms.ts";

/*
 * Qwen3.5, 3.6 and 3.8: the blocks of Qwen3-Next inside a vision-language model. Bases of the
 * language model alone have a config without `text_config` and names without `language_model.`.
 * Both give a tier in the nested spelling, which mlx-lm and mlx-vlm read.
 */

const outerKeys = ["architectures", "bos_token_id", "eos_token_id", "pad_token_id"];

/** `Architecture.fold` for both spellings. `defaults`, `fixed`: see ConfigRules. */
export function foldQwen35(
  type: string,
  defaults: Defaults,
  fixed: ModelConfig = {},
): (raw: ModelConfig) => Folded {
  const fold = foldTransformer({
    fixed: { ...alwaysGated, ...fixed },
    defaults: { model_type: `${type}_text`, ...hybridDefaults, ...defaults },
    partialRotary: usualRotary,
  });
  const text = (raw: ModelConfig): Folded => {
    const folded = foldInterval(fold(raw));
    const config = { ...folded.config, ...ropeParameters(folded.config, raw) };
    // mlx-lm compares it with 0, which it cannot do with null.
    if (!has(config, "num_experts")) delete config.num_experts;
    return { ...folded, config };
  };
  const nested = foldNested(text);
  // A config without layers at its top is no language model's: it lacks `text_config`.
  const isNested = (raw: ModelConfig) => has(raw, "text_config") || !has(raw, "num_hidden_layers");
  return (raw) => (isNested(raw) ? withTower(nested(raw)) : wrap(type, raw, text(raw)));
}

/** mlx-lm and mlx-vlm read the rotary embedding of Qwen3.5 from `rope_parameters` alone. */
function ropeParameters(config: ModelConfig, raw: ModelConfig): ModelConfig {
  const { rope_theta, partial_rotary_factor, rope_scaling } = config;
  const kept = (raw.rope_parameters ?? raw.rope_scaling ?? {}) as ModelConfig;
  const { type: _, mrope_section, ...others } = kept;
  const scaling = (rope_scaling ?? { rope_type: "default" }) as ModelConfig;
  const sections = { mrope_section: checkSections(mrope_section ?? usualSections) };
  return {
    rope_parameters: { ...others, ...sections, ...scaling, rope_theta, partial_rotary_factor },
  };
}

/**
 * Rotated pairs of channels for time, height and width (transformers' Qwen3_5TextRotaryEmbedding).
 * mlx-vlm loads no config without them; text has one position in all three.
 */
const usualSections = [11, 11, 10];

function checkSections(sections: unknown): unknown {
  const isSize = (size: unknown) => Number.isSafeInteger(size) && (size as number) >= 0;
  if (Array.isArray(sections) && sections.length === 3 && sections.every(isSize)) return sections;
  throw new OqeError(
    "BAD_CHECKPOINT",
    `config.json: "mrope_section" should be a list of three sizes, got ${show(sections)}`,
    "Compare it with the config of the model that this one derives from.",
  );
}

/** The config of a vision-language model with all defaults of its tower. */
function withTower(folded: Folded): Folded {
  const { key, config } = folded.wrapper!;
  const wrapper = { key, config: fillTower(config) };
  const { rope_scaling: scaling } = folded.config;
  if (!has(config, "vision_config") || !has({ scaling }, "scaling")) return { ...folded, wrapper };
  const { rope_type: type } = scaling as ModelConfig;
  const warning =
    `config.json: the rotary embedding has type ${show(type)}, which mlx-lm computes; mlx-vlm ` +
    "ignores it, so there base and tiers give other logits";
  return { ...folded, wrapper, warnings: [...folded.warnings, warning] };
}

/** The config of a language model alone, inside the one that mlx-lm expects. */
function wrap(type: string, raw: ModelConfig, folded: Folded): Folded {
  const outer = Object.entries(raw).filter(([key]) => outerKeys.includes(key));
  const { tie_word_embeddings } = folded.config;
  const config = { ...Object.fromEntries(outer), model_type: type, tie_word_embeddings };
  return { ...folded, wrapper: { key: "text_config", config } };
}

/** A row with the names of a vision-language model, in the base and in mlx-lm. */
export function inLanguageModel(role: Role): Role {
  return {
    ...role,
    base: role.base.replace(/^model\./, "model.language_model."),
    mlx: `language_model.${role.mlx}`,
  };
}

/** Blocks of multi-token prediction. null: config.json does not say. */
function mtpLayers(file: ModelConfig): number | null {
  const { mtp_num_hidden_layers: count } = asObject(file.text_config) ?? file;
  return typeof count === "number" ? count : null;
}

/** The vision tower, and multi-token prediction. `mlpOf`: rows of the MLP of its blocks. */
export const carriedBy = (mlpOf: (has: HasLeaf) => readonly Role[]): readonly Carried[] => [
  {
    part: "vision",
    names: [["model.visual.", "vision_tower."]],
    move: (name) => (name.endsWith("patch_embed.proj.weight") ? channelsLast : null),
    configKeys: ["vision_config"],
    needs: towerTensors,
    layers: { "blocks.": towerDepth },
  },
  hybridMtp((has) => hybridRoles(fullAttention, "apart", mlpOf(has)), mtpLayers),
];

/** Qwen3.5, dense (mlx-lm models/qwen3_5.py). */
export const qwen3_5: Architecture = {
  ...llama,
  modelType: "qwen3_5",
  baseTypes: ["qwen3_5", "qwen3_5_text"],
  label: "Qwen3.5",
  tokenizerClass: "Qwen2Tokenizer",
  // transformers' Qwen3_5TextConfig
  fold: foldQwen35(
    "qwen3_5",
    { intermediate_size: 12_288, num_key_value_heads: 4 },
    // transformers ignores it, mlx-lm makes a mixture of experts of it.
    { num_experts: 0 },
  ),
  layers: hybridLayers,
  outer: hybridOuter.map(inLanguageModel),
  roles: (kind) => hybridRoles(kind, "apart", mlpRoles).map(inLanguageModel),
  alsoNamed: (name) => name.replace(/^model\.language_model\./, "model."),
  carried: carriedBy(() => mlpRoles),
  forward: hybridForward("apart"),
};
