import type { ModelConfig } from "../../src/checkpoint/model-config.ts";
import { gptOss20b, gptOss120b } from "./gpt-oss.ts";
import { hybrids } from "./hybrids.ts";
import { nemotrons } from "./nemotron.ts";
import { transformers } from "./transformers.ts";

const qwen3: ModelConfig = {
  architectures: ["Qwen3ForCausalLM"],
  model_type: "qwen3",
  attention_bias: false,
  head_dim: 128,
  hidden_act: "silu",
  max_position_embeddings: 40960,
  num_key_value_heads: 8,
  rms_norm_eps: 1e-6,
  rope_theta: 1000000,
  torch_dtype: "bfloat16",
  vocab_size: 151936,
};

export interface KnownModel {
  readonly id: string;
  readonly config: ModelConfig;
  /** Bits of a weight of the experts as published. Default: 16. */
  readonly expertBits?: number | undefined;
}

/** What role tables read of the config.json of models on the Hub. */
export const knownModels: readonly KnownModel[] = [
  ...transformers,
  ...hybrids,
  {
    id: "Qwen/Qwen3-0.6B",
    config: {
      ...qwen3,
      hidden_size: 1024,
      intermediate_size: 3072,
      num_attention_heads: 16,
      num_hidden_layers: 28,
      tie_word_embeddings: true,
    },
  },
  {
    id: "Qwen/Qwen3-1.7B",
    config: {
      ...qwen3,
      hidden_size: 2048,
      intermediate_size: 6144,
      num_attention_heads: 16,
      num_hidden_layers: 28,
      tie_word_embeddings: true,
    },
  },
  {
    id: "Qwen/Qwen3-4B",
    config: {
      ...qwen3,
      hidden_size: 2560,
      intermediate_size: 9728,
      num_attention_heads: 32,
      num_hidden_layers: 36,
      tie_word_embeddings: true,
    },
  },
  {
    id: "Qwen/Qwen3-8B",
    config: {
      ...qwen3,
      hidden_size: 4096,
      intermediate_size: 12288,
      num_attention_heads: 32,
      num_hidden_layers: 36,
      tie_word_embeddings: false,
    },
  },
  ...nemotrons,
  { id: "openai/gpt-oss-20b", config: gptOss20b, expertBits: 4.25 },
  { id: "openai/gpt-oss-120b", config: gptOss120b, expertBits: 4.25 },
];
