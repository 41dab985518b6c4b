import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { Architecture } from "./architecture.ts";
import { evenHeadSize, foldTransformer, keyHeads } from "./fold-transformer.ts";
import { attentionRoles, llama, mlpRoles, transformerForward } from "./llama.ts";
import { windowOfAll } from "./sliding-window.ts";

/** Mistral (mlx-lm models/llama.py): Llama with a sliding window and without biases. */
export const mistral: Architecture = {
  ...llama,
  modelType: "mistral",
  label: "Mistral",
  fold: foldTransformer({
    // transformers' MistralConfig
    defaults: {
      intermediate_size: 14_336,
      num_key_value_heads: keyHeads(8),
      head_dim: evenHeadSize,
      max_position_embeddings: 131_072,
      sliding_window: (c: ModelConfig) => (c.sliding_window === null ? null : 4096),
    },
    fixed: { rope_traditional: false, attention_bias: false, mlp_bias: false },
    refusesLayerTypes: true,
    window: windowOfAll,
  }),
  roles: () => [...attentionRoles, ...mlpRoles],
  forward: transformerForward({ window: windowOfAll }),
};
