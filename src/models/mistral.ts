import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { Architecture } from "./architecture.ts";
import { integer } from "./config-fields.ts";
import { attentionRoles, llama, mlpRoles, transformerForward } from "./llama.ts";

/** All layers have the window. An absent key has transformers' default (configuration_mistral.py), null means none. */
const window = (c: ModelConfig) =>
  c.sliding_window === null ? null : integer(c, "sliding_window", 4096);

/** Mistral (mlx-lm models/llama.py): Llama with a sliding window and without biases. */
export const mistral: Architecture = {
  ...llama,
  modelType: "mistral",
  label: "Mistral",
  roles: () => [...attentionRoles, ...mlpRoles],
  forward: transformerForward({ window }),
};
