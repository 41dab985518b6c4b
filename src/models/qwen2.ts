import type { Architecture } from "./architecture.ts";
import { attentionRoles, llama, mlpRoles, transformerForward } from "./llama.ts";
import { biasesOf } from "./roles.ts";
import { windowFrom } from "./sliding-window.ts";

const inputs = attentionRoles.filter(({ projection }) => projection !== "o");

/** Qwen2 and Qwen2.5 (mlx-lm models/qwen2.py): Llama with biases of q, k and v. */
export const qwen2: Architecture = {
  ...llama,
  modelType: "qwen2",
  label: "Qwen2",
  roles: () => [...attentionRoles, ...mlpRoles, ...biasesOf(inputs, () => true)],
  forward: transformerForward({ window: windowFrom }),
};
