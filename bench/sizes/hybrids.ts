import type { ModelConfig } from "../../src/checkpoint/model-config.ts";

/** Sizes of Qwen/Qwen3-Next-80B-A3B-Instruct; its Coder has the same. */
const next: ModelConfig = {
  model_type: "qwen3_next",
  decoder_sparse_step: 1,
  full_attention_interval: 4,
  head_dim: 256,
  hidden_size: 2048,
  intermediate_size: 5120,
  linear_conv_kernel_dim: 4,
  linear_key_head_dim: 128,
  linear_num_key_heads: 16,
  linear_num_value_heads: 32,
  linear_value_head_dim: 128,
  max_position_embeddings: 262_144,
  mlp_only_layers: [],
  moe_intermediate_size: 512,
  norm_topk_prob: true,
  num_attention_heads: 16,
  num_experts: 512,
  num_experts_per_tok: 10,
  num_hidden_layers: 48,
  num_key_value_heads: 2,
  shared_expert_intermediate_size: 512,
  tie_word_embeddings: false,
  vocab_size: 151_936,
};

/** Keys of all text configs of Qwen3.5. */
const qwen35: ModelConfig = {
  full_attention_interval: 4,
  head_dim: 256,
  linear_conv_kernel_dim: 4,
  linear_key_head_dim: 128,
  linear_num_key_heads: 16,
  linear_value_head_dim: 128,
  max_position_embeddings: 262_144,
  tie_word_embeddings: false,
  vocab_size: 248_320,
};

/** Without the vision tower, which a tier holds as the base has it. */
const nested = (type: string, text: ModelConfig): ModelConfig => ({
  model_type: type,
  text_config: { ...qwen35, model_type: `${type}_text`, ...text },
});

/** What role tables read of config.json, of published models with a gated DeltaNet. */
export const hybrids: readonly { readonly id: string; readonly config: ModelConfig }[] = [
  { id: "Qwen/Qwen3-Next-80B-A3B-Instruct", config: next },
  { id: "Qwen/Qwen3-Coder-Next", config: next },
  {
    id: "Qwen/Qwen3.5-9B",
    config: nested("qwen3_5", {
      hidden_size: 4096,
      intermediate_size: 12_288,
      linear_num_value_heads: 32,
      num_attention_heads: 16,
      num_hidden_layers: 32,
      num_key_value_heads: 4,
    }),
  },
  {
    id: "Qwen/Qwen3.5-27B",
    config: nested("qwen3_5", {
      hidden_size: 5120,
      intermediate_size: 17_408,
      linear_num_value_heads: 48,
      num_attention_heads: 24,
      num_hidden_layers: 64,
      num_key_value_heads: 4,
    }),
  },
  {
    id: "Qwen/Qwen3.6-35B-A3B",
    config: nested("qwen3_5_moe", {
      hidden_size: 2048,
      linear_num_value_heads: 32,
      moe_intermediate_size: 512,
      num_attention_heads: 16,
      num_experts: 256,
      num_experts_per_tok: 8,
      num_hidden_layers: 40,
      num_key_value_heads: 2,
      shared_expert_intermediate_size: 512,
    }),
  },
  {
    id: "Qwen/Qwen3.5-122B-A10B",
    config: nested("qwen3_5_moe", {
      hidden_size: 3072,
      linear_num_value_heads: 64,
      moe_intermediate_size: 1024,
      num_attention_heads: 32,
      num_experts: 256,
      num_experts_per_tok: 8,
      num_hidden_layers: 48,
      num_key_value_heads: 2,
      shared_expert_intermediate_size: 1024,
    }),
  },
];
