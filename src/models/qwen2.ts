import type { Architecture } from "./architecture.ts";
import { evenHeadSize, foldTransformer, keyHeads, windowDefaults } from "./fold-transformer.ts";
import { attentionRoles, llama, mlpRoles, transformerForward } from "./llama.ts";
import { biasesOf } from "./roles.ts";
import { windowFrom } from "./sliding-window.ts";

const inputs = attentionRoles.filter(({ projection }) => projection !== "o");

/** Qwen2 and Qwen2.5 (mlx-lm models/qwen2.py): Llama with biases of q, k and v. */
export const qwen2: Architecture = {
  ...llama,
  modelType: "qwen2",
  label: "Qwen2",
  tokenizerClass: "Qwen2Tokenizer",
  fold: foldTransformer({
    // transformers' Qwen2Config
    defaults: {
      ...windowDefaults,
      max_window_layers: 28,
      intermediate_size: 22_016,
      num_key_value_heads: keyHeads(32),
      head_dim: evenHeadSize,
      max_position_embeddings: 32_768,
    },
    fixed: { rope_traditional: false, head_dim: evenHeadSize },
    window: windowFrom,
  }),
  roles: () => [...attentionRoles, ...mlpRoles, ...biasesOf(inputs, () => true)],
  forward: transformerForward({ window: windowFrom }),
};
