import type { ModelConfig } from "../../src/checkpoint/model-config.ts";

/** config.json of both models (openai/gpt-oss-20b and -120b), as far as the role table reads it. */
const shared: ModelConfig = {
  architectures: ["GptOssForCausalLM"],
  model_type: "gpt_oss",
  attention_bias: true,
  head_dim: 64,
  hidden_act: "silu",
  hidden_size: 2880,
  intermediate_size: 2880,
  max_position_embeddings: 131072,
  num_attention_heads: 64,
  num_experts_per_tok: 4,
  num_key_value_heads: 8,
  quantization_config: { quant_method: "mxfp4" },
  rms_norm_eps: 1e-5,
  rope_scaling: {
    beta_fast: 32,
    beta_slow: 1,
    factor: 32,
    original_max_position_embeddings: 4096,
    rope_type: "yarn",
    truncate: false,
  },
  rope_theta: 150000,
  sliding_window: 128,
  swiglu_limit: 7,
  tie_word_embeddings: false,
  vocab_size: 201088,
};

export const gptOss20b: ModelConfig = { ...shared, num_hidden_layers: 24, num_local_experts: 32 };
export const gptOss120b: ModelConfig = { ...shared, num_hidden_layers: 36, num_local_experts: 128 };
