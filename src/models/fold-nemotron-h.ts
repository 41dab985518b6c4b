import { show } from "../checkpoint/json.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import { has, integer } from "./config-fields.ts";
import {
  beginFolding,
  type Defaults,
  type Folded,
  fillDefaults,
  place,
  rename,
  requireOneOf,
} from "./fold.ts";
import { blockLetters } from "./nemotron-h-blocks.ts";

/** Other names that transformers' NemotronHConfig accepts -> the names that it uses. */
const otherNames = [
  ["num_local_experts", "n_routed_experts"],
  ["mamba_n_groups", "n_groups"],
  ["mamba_d_conv", "conv_kernel"],
  ["mamba_expand", "expand"],
  ["mamba_dt_min", "time_step_min"],
  ["mamba_dt_max", "time_step_max"],
  ["mamba_dt_limit", "time_step_limit"],
  ["mamba_dt_init_floor", "time_step_floor"],
  ["mamba_conv_bias", "use_conv_bias"],
  ["mamba_chunk_size", "chunk_size"],
] as const;

const heads = (c: ModelConfig) => integer(c, "num_attention_heads");

/** transformers' NemotronHConfig. mlx-lm requires most of these even if no block uses them. */
const defaults: Defaults = {
  num_attention_heads: 32,
  num_key_value_heads: (c: ModelConfig) => (c.num_key_value_heads === null ? heads(c) : 8),
  head_dim: (c: ModelConfig) => (c.head_dim === null ? integer(c, "hidden_size") / heads(c) : 128),
  attention_bias: false,
  max_position_embeddings: 4096,
  intermediate_size: 21_504,
  mlp_hidden_act: "relu2",
  mlp_bias: false,
  mamba_num_heads: 128,
  mamba_head_dim: 64,
  mamba_hidden_act: "silu",
  ssm_state_size: 128,
  n_groups: 8,
  conv_kernel: 4,
  use_conv_bias: true,
  use_bias: false,
  time_step_min: 0.001,
  layer_norm_epsilon: 1e-5,
};

/** Keys of MoE blocks. */
const moeDefaults: Defaults = {
  n_routed_experts: 8,
  // null: no shared expert in the authors' code and in mlx-lm.
  n_shared_experts: (c: ModelConfig) => (c.n_shared_experts === null ? null : 1),
  num_experts_per_tok: 2,
  moe_intermediate_size: 7688,
  moe_shared_expert_intermediate_size: 7688,
  moe_latent_size: null,
  n_group: 1,
  topk_group: 1,
  norm_topk_prob: true,
  routed_scaling_factor: 1,
};

export function foldNemotronH(raw: ModelConfig): Folded {
  const folding = beginFolding(raw);
  const { config } = folding;
  for (const [from, to] of otherNames) rename(config, from, to);
  foldBlocks(config, "layers_block_type");
  foldBlocks(config, "layer_types");
  refuseMissingMixer(config);
  // Configs before 2026 have the size under this name alone, and transformers' default equals it.
  if (!has(config, "head_dim") && has(config, "attention_head_dim"))
    config.head_dim = config.attention_head_dim;
  foldMlpSizes(config);
  fillDefaults(folding, defaults);
  // Neither transformers nor mlx-lm ties this model's head, even if the config does.
  config.tie_word_embeddings = false;
  // transformers' Mamba blocks read `use_bias`, mlx-lm's `mamba_proj_bias`.
  config.mamba_proj_bias = config.use_bias;
  requireOneOf(config, "mlp_hidden_act", ["relu2"]);
  requireOneOf(config, "mamba_hidden_act", ["silu"]);
  const pattern = config.hybrid_override_pattern;
  if ((typeof pattern === "string" || Array.isArray(pattern)) && pattern.includes("E")) {
    fillDefaults(folding, moeDefaults);
    refuseSingleExpert(config);
  }
  return folding;
}

/**
 * mlx-lm looks for the caches of the first Mamba block and of the first attention block. Without
 * one of them it ends with an IndexError when it generates.
 */
function refuseMissingMixer({ hybrid_override_pattern: pattern }: ModelConfig): void {
  if (typeof pattern !== "string" || !/^[ME*-]+$/.test(pattern)) return;
  const missing = [
    ["M", "Mamba"],
    ["*", "attention"],
  ].find(([letter]) => !pattern.includes(letter!));
  if (missing === undefined) return;
  throw new OqeError(
    "UNSUPPORTED_MODEL",
    `config.json: "hybrid_override_pattern" ${show(pattern)} has no ${missing[1]} block; ` +
      `mlx-lm's "nemotron_h" cannot generate without one`,
    "mlx-lm could load the tiers, but not run them. Publish it once mlx-lm supports it.",
  );
}

/** vLLM reads a list of sizes, one for each dense MLP block. mlx-lm has one size for all. */
function foldMlpSizes(config: ModelConfig): void {
  const sizes = config.intermediate_size;
  if (!Array.isArray(sizes)) return;
  const [first, ...others] = new Set(sizes);
  if (first === undefined || others.length > 0)
    throw new OqeError(
      "UNSUPPORTED_MODEL",
      `config.json: "intermediate_size" is ${show(sizes)}; mlx-lm's "nemotron_h" has one size ` +
        "for all MLP blocks",
      "mlx-lm could not load the tiers. Publish it once mlx-lm supports it.",
    );
  config.intermediate_size = first;
}

/** mlx-lm does not normalize the weight of a single expert, transformers makes it 1. */
function refuseSingleExpert(config: ModelConfig): void {
  if (config.num_experts_per_tok !== 1 || config.norm_topk_prob !== true) return;
  throw new OqeError(
    "UNSUPPORTED_MODEL",
    `config.json: "num_experts_per_tok" is 1 and "norm_topk_prob" is true; ` +
      `mlx-lm's "nemotron_h" does not normalize the weight of a single expert`,
    "mlx-lm would run another model than this one. Publish it once mlx-lm supports it.",
  );
}

/** A list of block kinds under `key` -> the letters of `hybrid_override_pattern`. */
function foldBlocks(config: ModelConfig, key: string): void {
  const kinds = config[key];
  delete config[key];
  if (kinds !== undefined && kinds !== null) {
    if (!Array.isArray(kinds)) throw bad(`"${key}" should be a list, got ${show(kinds)}`);
    const letters = kinds.map((kind) => {
      const letter = blockLetters.get(kind);
      if (letter !== undefined) return letter;
      throw bad(`"${key}" has ${show(kind)}; known are ${[...blockLetters.keys()].join(", ")}`);
    });
    const pattern = config.hybrid_override_pattern;
    if (Array.isArray(pattern) && pattern.every((letter) => typeof letter === "string"))
      config.hybrid_override_pattern = pattern.join("");
    place(config, "hybrid_override_pattern", letters.join(""), key);
  }
  const pattern = config.hybrid_override_pattern;
  if (typeof pattern === "string") config.num_hidden_layers ??= pattern.length;
}

function bad(message: string): OqeError {
  return new OqeError(
    "BAD_CHECKPOINT",
    `config.json: ${message}`,
    "Compare it with the config of the model that this one derives from.",
  );
}
