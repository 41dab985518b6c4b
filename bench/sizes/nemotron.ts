import type { ModelConfig } from "../../src/checkpoint/model-config.ts";
import { nemotron30b } from "../../test/support/nemotron-30b.ts";

/** What all dense hybrids have in common. */
const dense: ModelConfig = {
  architectures: ["NemotronHForCausalLM"],
  model_type: "nemotron_h",
  attention_bias: false,
  conv_kernel: 4,
  head_dim: 128,
  layer_norm_epsilon: 1e-5,
  mamba_num_heads: 128,
  mamba_proj_bias: false,
  mlp_bias: false,
  n_groups: 8,
  num_key_value_heads: 8,
  ssm_state_size: 128,
  tie_word_embeddings: false,
  time_step_min: 0.001,
  torch_dtype: "bfloat16",
  use_bias: false,
  use_conv_bias: true,
  vocab_size: 131_072,
};
const repeated = (part: string, times: number) => part.repeat(times);

/**
 * What role tables read of config.json of models with Mamba-2 blocks. Sizes and patterns are those
 * of the recipes in NVIDIA's Megatron-Bridge (docs/models/llm/nemotronh.md) and, for Super, of its
 * Megatron-LM settings; the language model of Omni is that of Nano.
 */
export const nemotrons: readonly { readonly id: string; readonly config: ModelConfig }[] = [
  {
    id: "nvidia/Nemotron-H-8B-Base-8K",
    config: {
      ...dense,
      hidden_size: 4096,
      hybrid_override_pattern: `M-M-M-M*-${repeated("M-M-M-M-M*-", 3)}M-M-M-M-M-`,
      intermediate_size: 21_504,
      mamba_head_dim: 64,
      max_position_embeddings: 8192,
      num_attention_heads: 32,
      num_hidden_layers: 52,
    },
  },
  {
    id: "nvidia/NVIDIA-Nemotron-Nano-9B-v2",
    config: {
      ...dense,
      hidden_size: 4480,
      hybrid_override_pattern: "M-M-M-MM-M-M-M*-M-M-M*-M-M-M-M*-M-M-M-M*-M-MM-M-M-M-M-M-",
      intermediate_size: 15_680,
      mamba_head_dim: 80,
      max_position_embeddings: 131_072,
      num_attention_heads: 40,
      num_hidden_layers: 56,
    },
  },
  {
    id: "nvidia/NVIDIA-Nemotron-Nano-12B-v2",
    config: {
      ...dense,
      hidden_size: 5120,
      hybrid_override_pattern: `${repeated("M-M-M-M*-", 6)}M-M-M-M-`,
      intermediate_size: 20_480,
      mamba_head_dim: 80,
      max_position_embeddings: 131_072,
      num_attention_heads: 40,
      num_hidden_layers: 62,
    },
  },
  { id: "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", config: nemotron30b },
  {
    id: "nvidia/Nemotron-3-Nano-Omni-30B-A3B-Reasoning-BF16",
    config: {
      model_type: "NemotronH_Nano_Omni_Reasoning_V3",
      torch_dtype: "bfloat16",
      llm_config: nemotron30b,
    },
  },
  {
    id: "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-BF16",
    config: {
      ...nemotron30b,
      hidden_size: 4096,
      hybrid_override_pattern: `${repeated("MEMEMEM*E", 3)}${repeated("MEMEMEMEM*E", 4)}MEMEMEM*EMEMEMEME`,
      intermediate_size: 2688,
      mamba_num_heads: 128,
      moe_intermediate_size: 2688,
      moe_latent_size: 1024,
      moe_shared_expert_intermediate_size: 5376,
      n_routed_experts: 512,
      num_experts_per_tok: 22,
      num_hidden_layers: 88,
      num_nextn_predict_layers: 1,
      routed_scaling_factor: 5,
    },
  },
];
