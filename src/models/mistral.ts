import type { Architecture } from "./architecture.ts";
import { foldMistral } from "./fold-transformer.ts";
import { attentionRoles, llama, mlpRoles, transformerForward } from "./llama.ts";
import { windowOfAll } from "./sliding-window.ts";

/** Mistral (mlx-lm models/llama.py): Llama with a sliding window and without biases. */
export const mistral: Architecture = {
  ...llama,
  modelType: "mistral",
  label: "Mistral",
  fold: foldMistral,
  roles: () => [...attentionRoles, ...mlpRoles],
  forward: transformerForward({ window: windowOfAll }),
};
