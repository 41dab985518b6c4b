import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { Matrix } from "../kernel/matrix.ts";
import { type Heads, plainHeads } from "../kernel/routines/attention.ts";
import type { Architecture } from "./architecture.ts";
import { attention, embed, gatedMlp, type NormedRows, norm, normed, tensor } from "./blocks.ts";
import {
  divides,
  flag,
  headSize,
  integer,
  keySize,
  layerCount,
  number,
  positive,
  querySize,
} from "./config-fields.ts";
import { evenHeadSize, foldTransformer } from "./fold-transformer.ts";
import type { BlockContext, Forward } from "./forward.ts";
import type { LayerKind } from "./layer-kind.ts";
import type { LazyRows } from "./lazy-rows.ts";
import { biasesOf, rolesUnder } from "./roles.ts";
import { ropeOf } from "./rope.ts";
import type { WindowRule } from "./sliding-window.ts";

const hidden = (c: ModelConfig) => integer(c, "hidden_size");
const inter = (c: ModelConfig) => integer(c, "intermediate_size");
const vocabulary = (c: ModelConfig) => integer(c, "vocab_size");
const tied = (c: ModelConfig) => flag(c, "tie_word_embeddings");
const eps = (c: ModelConfig) => number(c, "rms_norm_eps");
const queries = (c: ModelConfig) => integer(c, "num_attention_heads");

const outer = rolesUnder("");
const block = rolesUnder("model.layers.{i}.");

/** Norms and attention of a pre-norm transformer block. */
export const attentionRoles = [
  block.norm("norm.attention", "input_layernorm", hidden, { feeds: ["block.in"] }),
  block.linear("attention.q", "self_attn.q_proj", [querySize, hidden], { fedBy: "block.in" }),
  block.linear("attention.k", "self_attn.k_proj", [keySize, hidden], { fedBy: "block.in" }),
  block.linear("attention.v", "self_attn.v_proj", [keySize, hidden], { fedBy: "block.in" }),
  block.linear("attention.o", "self_attn.o_proj", [hidden, querySize], {
    fedBy: "attention.y",
    residual: true,
  }),
  block.norm("norm.mlp", "post_attention_layernorm", hidden, { feeds: ["mlp.in", "experts.in"] }),
];

/** SwiGLU MLP of a dense block. */
export const mlpRoles = [
  block.linear("mlp.gate", "mlp.gate_proj", [inter, hidden], { fedBy: "mlp.in" }),
  block.linear("mlp.up", "mlp.up_proj", [inter, hidden], { fedBy: "mlp.in" }),
  block.linear("mlp.down", "mlp.down_proj", [hidden, inter], { fedBy: "mlp.h", residual: true }),
];

/**
 * Llama, a dense transformer. Most other models here are variations of it (mlx-lm models/llama.py).
 */
export const llama: Architecture = {
  modelType: "llama",
  label: "Llama",
  inMlxVlm: "same",
  fold: foldTransformer({
    // transformers' LlamaConfig
    defaults: {
      intermediate_size: 11_008,
      num_key_value_heads: queries,
      head_dim: evenHeadSize,
      max_position_embeddings: 2048,
      attention_bias: false,
      mlp_bias: false,
    },
    fixed: { rope_traditional: false },
    refusesLayerTypes: true,
  }),
  layers: (c) =>
    Array<LayerKind>(layerCount(c, "num_hidden_layers")).fill({ mixer: "attention", mlp: "dense" }),
  outer: [
    outer.embeddings("model.embed_tokens", [vocabulary, hidden]),
    outer.norm("final_norm", "model.norm", hidden, { feeds: ["head.in"] }),
    outer.head("lm_head", [vocabulary, hidden], (c) => !tied(c)),
  ],
  roles: () => [
    ...attentionRoles,
    ...mlpRoles,
    ...biasesOf(attentionRoles, (c) => flag(c, "attention_bias")),
    ...biasesOf(mlpRoles, (c) => flag(c, "mlp_bias")),
  ],
  experts: () => null,
  dropped: (name, c) =>
    name.endsWith(".rotary_emb.inv_freq") || (tied(c) && name === "lm_head.weight"),
  tokenizerClass: null,
  countsAsMoe: false,
  mlxConfig: (c) => c,
  configReasons: {},
  forward: transformerForward({}),
};

/** Differences between the forward passes of pre-norm transformers. */
interface Variation {
  /** Default: attention sees the whole past. */
  readonly window?: WindowRule;
  /** The part that mixes tokens. Default: attention with a rotary embedding of all channels. */
  readonly mixer?: (at: BlockContext, x: LazyRows) => Promise<Matrix>;
  /** The MLP of a block. Default: SwiGLU. */
  readonly mlp?: (at: BlockContext, x: NormedRows) => Promise<Matrix>;
}

/**
 * x + attention(norm(x)), then x + mlp(norm(x)), block by block (transformers' modeling_llama.py).
 */
export function transformerForward({
  window = () => null,
  mixer = (at, x) => attend(at, x, { window: window(at.config, at.layer) }),
  mlp = swiglu,
}: Variation): Forward {
  return {
    check(c) {
      divides(c, "num_key_value_heads", "num_attention_heads");
      positive(c, "rms_norm_eps");
      for (let layer = 0; layer < layerCount(c, "num_hidden_layers"); layer++) window(c, layer);
    },
    embed: (at, ids) => embed(at, ids, vocabulary(at.config), hidden(at.config)),
    async block(at, x) {
      const n = await normed(at, "norm.attention", x, eps(at.config));
      const y = await mixer(at, n);
      await at.ops.add(y, x);
      return at.ops.add(y, await mlp(at, await normed(at, "norm.mlp", y, eps(at.config))));
    },
    finish: (at, x) => norm(at, "final_norm", x, eps(at.config)),
  };
}

/** The MLP of a dense block. */
export function swiglu(at: BlockContext, x: LazyRows): Promise<Matrix> {
  return gatedMlp(at, "mlp", x);
}

/** Options of attention that only some models have. `rotated`: channels of a head, default all. */
interface Attending extends Partial<Pick<Heads, "window" | "gated">> {
  readonly rotated?: number;
}

/** Causal attention with rotary positions, norms of heads and sinks where the model has them. */
export async function attend(
  at: BlockContext,
  x: LazyRows,
  { rotated, ...options }: Attending,
): Promise<Matrix> {
  const { config: c, ops, sequenceLength } = at;
  const size = headSize(c);
  const part = rotated ?? size;
  const { base, scaling } = ropeOf(c, sequenceLength, part);
  const query = await at.unquantized("norm.q");
  const heads: Heads = {
    queries: queries(c),
    keys: integer(c, "num_key_value_heads"),
    size,
    valueSize: size,
    ...plainHeads,
    ...options,
    sinks: await at.unquantized("attention.sinks"),
    norms: query && { query, key: await tensor(at, "norm.k"), eps: eps(c) },
    rotary: { part, ...(await ops.rotary(base, part, scaling, sequenceLength)) },
  };
  return attention(at, x, heads);
}
