import { show } from "../checkpoint/json.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import { has, integer, layerCount } from "./config-fields.ts";
import {
  beginFolding,
  type Defaults,
  type Folded,
  type Folding,
  fillDefaults,
  rename,
  requireOneOf,
} from "./fold.ts";
import { foldRope } from "./fold-rope.ts";
import { type WindowRule, windowFrom, windowIfUsed, windowOfAll } from "./sliding-window.ts";

const heads = (c: ModelConfig) => integer(c, "num_attention_heads");
/** The number of query heads where the config says null, `absent` where it says nothing. */
const keyHeads = (absent: number) => (c: ModelConfig) =>
  c.num_key_value_heads === null ? heads(c) : absent;
const headSize = (c: ModelConfig) => integer(c, "hidden_size") / heads(c);

/** Defaults that transformers' config classes of all these transformers share. */
const shared: Defaults = {
  num_attention_heads: 32,
  hidden_act: "silu",
  rms_norm_eps: 1e-6,
  tie_word_embeddings: false,
};

/** Sliding windows of the Qwen models. */
const windowDefaults: Defaults = {
  use_sliding_window: false,
  sliding_window: (c: ModelConfig) =>
    c.sliding_window === undefined && c.use_sliding_window === true ? 4096 : null,
};

/** transformers' LlamaConfig. */
const llamaDefaults: Defaults = {
  ...shared,
  intermediate_size: 11_008,
  num_key_value_heads: heads,
  head_dim: headSize,
  max_position_embeddings: 2048,
  attention_bias: false,
  mlp_bias: false,
};

/** transformers' Qwen3Config. */
const qwen3Defaults: Defaults = {
  ...shared,
  ...windowDefaults,
  max_window_layers: 28,
  intermediate_size: 22_016,
  num_key_value_heads: keyHeads(32),
  head_dim: 128,
  max_position_embeddings: 32_768,
  attention_bias: false,
};

/** transformers' Qwen3MoeConfig. */
const qwen3MoeDefaults: Defaults = {
  ...shared,
  ...windowDefaults,
  intermediate_size: 6144,
  num_key_value_heads: 4,
  head_dim: headSize,
  max_position_embeddings: 32_768,
  attention_bias: false,
  num_experts: 128,
  num_experts_per_tok: 8,
  moe_intermediate_size: 768,
  decoder_sparse_step: 1,
  mlp_only_layers: () => [],
  norm_topk_prob: false,
};

/** transformers' Qwen2Config. */
const qwen2Defaults: Defaults = {
  ...shared,
  ...windowDefaults,
  max_window_layers: 28,
  intermediate_size: 22_016,
  num_key_value_heads: keyHeads(32),
  head_dim: headSize,
  max_position_embeddings: 32_768,
};

/** transformers' MistralConfig. */
const mistralDefaults: Defaults = {
  ...shared,
  intermediate_size: 14_336,
  num_key_value_heads: keyHeads(8),
  head_dim: headSize,
  max_position_embeddings: 131_072,
  sliding_window: (c: ModelConfig) => (c.sliding_window === null ? null : 4096),
};

export function foldLlama(raw: ModelConfig): Folded {
  const folding = beginFolding(raw);
  const { config } = folding;
  foldBlock(folding, llamaDefaults);
  // mlx-lm's llama reads these keys, transformers' does not.
  requireOneOf(config, "rope_traditional", [false]);
  refuseLayerTypes(config);
  return folding;
}

/** mlx-lm runs a mistral as a llama. */
export function foldMistral(raw: ModelConfig): Folded {
  const folding = beginFolding(raw);
  foldBlock(folding, mistralDefaults);
  requireOneOf(folding.config, "rope_traditional", [false]);
  requireOneOf(folding.config, "attention_bias", [false]);
  requireOneOf(folding.config, "mlp_bias", [false]);
  refuseLayerTypes(folding.config);
  warnOfWindow(folding, windowOfAll);
  return folding;
}

export function foldQwen2(raw: ModelConfig): Folded {
  const folding = beginFolding(raw);
  foldBlock(folding, qwen2Defaults);
  requireOneOf(folding.config, "rope_traditional", [false]);
  // mlx-lm's qwen2 does not read head_dim.
  requireOneOf(folding.config, "head_dim", [headSize(folding.config)]);
  warnOfWindow(folding, windowFrom);
  return folding;
}

export function foldQwen3(raw: ModelConfig): Folded {
  const folding = beginFolding(raw);
  foldBlock(folding, qwen3Defaults);
  requireOneOf(folding.config, "attention_bias", [false]);
  warnOfWindow(folding, windowFrom);
  return folding;
}

export function foldQwen3Moe(raw: ModelConfig): Folded {
  const folding = beginFolding(raw);
  rename(folding.config, "num_local_experts", "num_experts");
  foldBlock(folding, qwen3MoeDefaults);
  requireOneOf(folding.config, "attention_bias", [false]);
  refuseScaling(folding);
  warnOfWindow(folding, windowIfUsed);
  return folding;
}

/** What all of them have in common: defaults, activation, rotary embedding. */
function foldBlock(folding: Folding, defaults: Defaults): void {
  fillDefaults(folding, defaults);
  requireOneOf(folding.config, "hidden_act", ["silu", "swish"]);
  foldRope(folding);
}

/** Warns that mlx-lm attends to all positions where transformers attends to a window. */
function warnOfWindow({ config, warnings }: Folding, window: WindowRule): void {
  const layers = Array.from({ length: layerCount(config, "num_hidden_layers") }, (_, i) => i);
  const size = layers.map((layer) => window(config, layer)).find((found) => found !== null);
  if (size === undefined) return;
  warnings.push(
    `config.json: "sliding_window" is ${size}; mlx-lm's ${show(config.model_type)} attends to ` +
      "all positions, so texts longer than that give other logits",
  );
}

/** transformers' llama attends to all positions whatever `layer_types` says; mlx-lm's obeys it. */
function refuseLayerTypes({ layer_types: kinds, model_type: type }: ModelConfig): void {
  if (!Array.isArray(kinds) || kinds.every((kind) => kind === "full_attention")) return;
  throw new OqeError(
    "UNSUPPORTED_MODEL",
    `config.json: "layer_types" names a sliding window or other kinds of attention; ` +
      `transformers' ${show(type)} ignores it, mlx-lm's does not`,
    "Remove layer_types from the base's config.json where all layers attend to all positions.",
  );
}

/** mlx-lm's qwen3_moe has the plain rotary embedding only, which dynamic scaling begins with. */
function refuseScaling({ config, warnings }: Folding): void {
  if (!has(config, "rope_scaling")) return;
  const { rope_type: type } = config.rope_scaling as Readonly<Record<string, unknown>>;
  if (type === "dynamic") {
    warnings.push(
      `config.json: mlx-lm's "qwen3_moe" ignores rope_scaling, so texts longer than ` +
        `max_position_embeddings (${config.max_position_embeddings}) give other logits`,
    );
    return;
  }
  throw new OqeError(
    "UNSUPPORTED_MODEL",
    `config.json: rope_scaling has type ${JSON.stringify(type)}; mlx-lm's "qwen3_moe" ignores it`,
    "Remove rope_scaling from the base's config.json to publish the model without it.",
  );
}
