import type { Architecture } from "./architecture.ts";
import { headSize } from "./config-fields.ts";
import { foldTransformer, keyHeads, windowDefaults } from "./fold-transformer.ts";
import { attentionRoles, llama, mlpRoles, transformerForward } from "./llama.ts";
import { rolesUnder } from "./roles.ts";
import { windowFrom } from "./sliding-window.ts";

const attention = rolesUnder("model.layers.{i}.self_attn.");

/** Qwen3 normalises queries and keys per head before the rotary embedding. */
export const headNorms = [
  attention.norm("norm.q", "q_norm", headSize),
  attention.norm("norm.k", "k_norm", headSize),
];

/** Qwen3, dense (mlx-lm models/qwen3.py). */
export const qwen3: Architecture = {
  ...llama,
  modelType: "qwen3",
  label: "Qwen3",
  tokenizerClass: "Qwen2Tokenizer",
  fold: foldTransformer({
    // transformers' Qwen3Config
    defaults: {
      ...windowDefaults,
      max_window_layers: 28,
      intermediate_size: 22_016,
      num_key_value_heads: keyHeads(32),
      head_dim: 128,
      max_position_embeddings: 32_768,
      attention_bias: false,
    },
    fixed: { attention_bias: false },
    window: windowFrom,
  }),
  roles: () => [...attentionRoles, ...headNorms, ...mlpRoles],
  forward: transformerForward({ window: windowFrom }),
};
