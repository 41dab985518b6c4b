import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { Architecture, Role } from "./architecture.ts";
import { flag, integer, keySize, layerCount, querySize } from "./config-fields.ts";
import { foldLlama } from "./fold-transformer.ts";
import type { LayerKind } from "./layer-kind.ts";
import { llamaForward } from "./llama-forward.ts";

const hidden = (c: ModelConfig) => integer(c, "hidden_size");
const inter = (c: ModelConfig) => integer(c, "intermediate_size");
const vocabulary = (c: ModelConfig) => integer(c, "vocab_size");
const tied = (c: ModelConfig) => flag(c, "tie_word_embeddings", false);

export const normReason = "norms scale every channel and cost nothing";
const vector = "a vector, not a matrix";

/** A role whose tensor has the same name in both repositories. */
export function sameName(
  role: string,
  name: string,
  fedBy: string | null,
  shape: Role["shape"],
  more: Partial<Role> = {},
): Role {
  return { role, base: name, mlx: name, fedBy, treatment: "quantized", shape, ...more };
}

export function keptNorm(role: string, name: string, shape: Role["shape"]): Role {
  return sameName(role, name, null, shape, { treatment: "kept", why: normReason });
}

const layer = "model.layers.{i}";

function bias(role: string, name: string, rows: (c: ModelConfig) => number, key: string): Role {
  const when = (c: ModelConfig) => flag(c, key, false);
  return sameName(role, name, null, (c) => [rows(c)], { treatment: "kept", why: vector, when });
}

/** Norms and attention of a pre-norm transformer block. */
export const attentionRoles: readonly Role[] = [
  keptNorm("norm.attention", `${layer}.input_layernorm.weight`, (c) => [hidden(c)]),
  sameName("attention.q", `${layer}.self_attn.q_proj.weight`, "block.in", (c) => [
    querySize(c),
    hidden(c),
  ]),
  sameName("attention.k", `${layer}.self_attn.k_proj.weight`, "block.in", (c) => [
    keySize(c),
    hidden(c),
  ]),
  sameName("attention.v", `${layer}.self_attn.v_proj.weight`, "block.in", (c) => [
    keySize(c),
    hidden(c),
  ]),
  sameName("attention.o", `${layer}.self_attn.o_proj.weight`, "attention.y", (c) => [
    hidden(c),
    querySize(c),
  ]),
  keptNorm("norm.mlp", `${layer}.post_attention_layernorm.weight`, (c) => [hidden(c)]),
];

/** SwiGLU MLP of a dense block. */
export const mlpRoles: readonly Role[] = [
  sameName("mlp.gate", `${layer}.mlp.gate_proj.weight`, "mlp.in", (c) => [inter(c), hidden(c)]),
  sameName("mlp.up", `${layer}.mlp.up_proj.weight`, "mlp.in", (c) => [inter(c), hidden(c)]),
  sameName("mlp.down", `${layer}.mlp.down_proj.weight`, "mlp.h", (c) => [hidden(c), inter(c)]),
];

const biases: readonly Role[] = [
  bias("attention.q.bias", `${layer}.self_attn.q_proj.bias`, querySize, "attention_bias"),
  bias("attention.k.bias", `${layer}.self_attn.k_proj.bias`, keySize, "attention_bias"),
  bias("attention.v.bias", `${layer}.self_attn.v_proj.bias`, keySize, "attention_bias"),
  bias("attention.o.bias", `${layer}.self_attn.o_proj.bias`, hidden, "attention_bias"),
  bias("mlp.gate.bias", `${layer}.mlp.gate_proj.bias`, inter, "mlp_bias"),
  bias("mlp.up.bias", `${layer}.mlp.up_proj.bias`, inter, "mlp_bias"),
  bias("mlp.down.bias", `${layer}.mlp.down_proj.bias`, hidden, "mlp_bias"),
];

/** Llama: the dense transformer that the others here vary (mlx-lm models/llama.py). */
export const llama: Architecture = {
  modelType: "llama",
  fold: foldLlama,
  layers: (c) => Array<LayerKind>(layerCount(c, "num_hidden_layers")).fill("transformer"),
  glue: [
    sameName("embeddings", "model.embed_tokens.weight", null, (c) => [vocabulary(c), hidden(c)]),
    keptNorm("final_norm", "model.norm.weight", (c) => [hidden(c)]),
    sameName("head", "lm_head.weight", "head.in", (c) => [vocabulary(c), hidden(c)], {
      when: (c) => !tied(c),
    }),
  ],
  roles: () => [...attentionRoles, ...mlpRoles, ...biases],
  experts: () => null,
  dropped: (name, c) =>
    name.endsWith(".rotary_emb.inv_freq") || (tied(c) && name === "lm_head.weight"),
  mlxConfig: (c) => c,
  configReasons: {},
  forward: llamaForward,
};
