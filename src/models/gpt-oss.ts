import { show } from "../checkpoint/json.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import type { Floats, Matrix } from "../kernel/matrix.ts";
import type { RouterRules } from "../kernel/routines/route.ts";
import type { Architecture } from "./architecture.ts";
import { type Expert, mixture, type NormedRows, tensor } from "./blocks.ts";
import { integer, layerCount } from "./config-fields.ts";
import type { Folded } from "./fold.ts";
import { foldTransformer } from "./fold-transformer.ts";
import type { BlockContext } from "./forward.ts";
import type { LayerKind } from "./layer-kind.ts";
import { attentionRoles, llama, transformerForward } from "./llama.ts";
import { biasesOf, rolesUnder } from "./roles.ts";
import { ranksOf } from "./routing.ts";
import type { WindowRule } from "./sliding-window.ts";
import { evenRows, oddRows, sliceOfStack, type Transform, transpose } from "./transforms.ts";

const hidden = (c: ModelConfig) => integer(c, "hidden_size");
const expertSize = (c: ModelConfig) => integer(c, "intermediate_size");
const fusedSize = (c: ModelConfig) => 2 * expertSize(c);
const experts = (c: ModelConfig) => integer(c, "num_local_experts");
const perToken = (c: ModelConfig) => integer(c, "num_experts_per_tok");
const queries = (c: ModelConfig) => integer(c, "num_attention_heads");

/** Steps from `[experts, in, out]` to the `[out, in]` of one expert. */
const memberOf =
  (...steps: Transform[]) =>
  () => [transpose, sliceOfStack, ...steps];

const block = rolesUnder("model.layers.{i}.");
const mlp = rolesUnder("model.layers.{i}.mlp.");

/** The biases of all experts, `[experts, out]`. `name`: in the base and in the MLX repository. */
function expertBias(
  projection: "gate" | "up" | "down",
  name: string,
  size: (c: ModelConfig) => number,
  ...from: Transform[]
) {
  return mlp.unquantized(`experts.${projection}.bias`, name, [experts, size], {
    kind: "bias",
    why: "vectors, not a matrix",
    part: "experts",
    projection,
    mlx: `model.layers.{i}.mlp.experts.${projection}_proj.bias`,
    from: () => from,
  });
}

const fused = "experts.gate_up_proj";
const fusedBias = `${fused}_bias`;

const roles = [
  ...attentionRoles,
  ...biasesOf(attentionRoles, () => true),
  block.unquantized("attention.sinks", "self_attn.sinks", [queries], {
    kind: "bias",
    why: "one number a head",
  }),
  mlp.router("router", [experts, hidden], {
    fedBy: "mlp.in",
    stockWidth: { bits: 8, groupSize: 64 },
  }),
  mlp.bias("router.bias", "router", experts, () => true),
  mlp.stacked("experts.gate", [fused, "experts.gate_proj"], [experts, hidden, fusedSize], {
    fedBy: "experts.in",
    from: memberOf(evenRows),
  }),
  mlp.stacked("experts.up", [fused, "experts.up_proj"], [experts, hidden, fusedSize], {
    fedBy: "experts.in",
    from: memberOf(oddRows),
  }),
  mlp.stacked(
    "experts.down",
    ["experts.down_proj", "experts.down_proj"],
    [experts, expertSize, hidden],
    { fedBy: "experts.h", residual: true, from: memberOf() },
  ),
  expertBias("gate", fusedBias, fusedSize, transpose, evenRows, transpose),
  expertBias("up", fusedBias, fusedSize, transpose, oddRows, transpose),
  expertBias("down", "experts.down_proj_bias", hidden),
];

/** Tokens that a layer's attention sees; null: the whole past. Both libraries apply the window. */
const windowOf: WindowRule = (c, layer) =>
  (c.layer_types as readonly string[])[layer] === "sliding_attention"
    ? integer(c, "sliding_window")
    : null;

const fold = foldTransformer({
  // transformers' GptOssConfig
  defaults: {
    num_attention_heads: 64,
    rms_norm_eps: 1e-5,
    intermediate_size: 2880,
    num_key_value_heads: 8,
    head_dim: 64,
    max_position_embeddings: 131_072,
    num_local_experts: 128,
    num_experts_per_tok: 4,
    sliding_window: (c: ModelConfig) => (c.sliding_window === null ? null : 128),
    layer_types: alternating,
    attention_bias: true,
    swiglu_alpha: 1.702,
    swiglu_limit: 7,
  },
  renamed: { num_experts: "num_local_experts" },
  fixed: {
    attention_bias: true,
    tie_word_embeddings: false,
    swiglu_alpha: 1.702,
    swiglu_limit: 7,
  },
  rope: {
    theta: 150_000,
    parameters: {
      rope_type: "yarn",
      factor: 32,
      beta_fast: 32,
      beta_slow: 1,
      truncate: false,
      original_max_position_embeddings: 4096,
    },
    untruncated: true,
  },
});

function alternating(c: ModelConfig): readonly string[] {
  return Array.from({ length: layerCount(c, "num_hidden_layers") }, (_, layer) =>
    layer % 2 === 0 ? "sliding_attention" : "full_attention",
  );
}

/**
 * Throws BAD_CHECKPOINT for `layer_types` that do not name each layer's attention, and
 * UNSUPPORTED_MODEL for a model that mlx-lm cannot load: it looks for a layer of each kind.
 */
function checkLayers(folded: Folded): Folded {
  const { layer_types: types, num_hidden_layers: count } = folded.config;
  const kinds = ["sliding_attention", "full_attention"];
  const unknown = Array.isArray(types) ? types.findIndex((type) => !kinds.includes(type)) : -1;
  if (!Array.isArray(types) || unknown >= 0 || types.length !== count) {
    const found = !Array.isArray(types)
      ? show(types)
      : unknown < 0
        ? `${types.length} entries`
        : `${show(types[unknown])} at layer ${unknown}`;
    throw new OqeError(
      "BAD_CHECKPOINT",
      `config.json: "layer_types" should name ${kinds.map(show).join(" or ")} for each of the ` +
        `${show(count)} layers of "num_hidden_layers", got ${found}`,
      "The config may belong to another checkpoint.",
    );
  }
  const absent = kinds.find((kind) => !types.includes(kind));
  if (absent === undefined) return folded;
  throw new OqeError(
    "UNSUPPORTED_MODEL",
    `config.json: "layer_types" has no ${show(absent)}; mlx-lm's "gpt_oss" needs one of each kind`,
    "mlx-lm would not load the tiers.",
  );
}

/**
 * gpt-oss (transformers' modeling_gpt_oss.py, mlx-lm models/gpt_oss.py): every second layer has a
 * sliding window, attention has sinks, all matrices have biases, every MLP is a mixture of experts.
 */
export const gptOss: Architecture = {
  ...llama,
  modelType: "gpt_oss",
  label: "gpt-oss",
  countsAsMoe: true,
  fold: (raw) => checkLayers(fold(raw)),
  layers: (c) =>
    Array<LayerKind>(layerCount(c, "num_hidden_layers")).fill({ mixer: "attention", mlp: "moe" }),
  roles: () => roles,
  experts: (c) => ({ routed: experts(c), perToken: perToken(c), shared: 0 }),
  cachedTokens: windowOf,
  forward: transformerForward({ window: windowOf, mlp: moe }),
};

/**
 * Σ over each token's experts of weight · expert(x). The weights are the softmax over the logits of
 * the chosen experts: that over all, divided by their sum.
 */
async function moe(at: BlockContext, x: NormedRows): Promise<Matrix> {
  const { ops, config: c } = at;
  const routed = experts(c);
  const rules: RouterRules = {
    score: "softmax",
    routed,
    visited: perToken(c),
    candidates: ranksOf({ perToken: perToken(c), routed }),
    groups: 1,
    openGroups: 1,
    correction: null,
    normalized: true,
    scale: 1,
  };
  const biases = await Promise.all(
    ["experts.gate.bias", "experts.up.bias", "experts.down.bias"].map((role) => tensor(at, role)),
  );
  const expert: Expert = async (expert, rows, near) => {
    const [ofGate, ofUp, bias] = biases.map((all) => memberBias(all, expert, routed)) as Three;
    const gate = await at.weight("experts.gate", rows, { expert });
    const up = await at.weight("experts.up", rows, { expert });
    const hidden = async (x: Matrix) =>
      ops.clampedSwiglu(await ops.linear(x, gate, ofGate), await ops.linear(x, up, ofUp));
    const h = await hidden(rows); // [visits, F]
    if (near === undefined) return at.linear("experts.down", h, { expert, bias });
    return at.linear("experts.down", h, { expert, bias, near: await hidden(near) });
  };
  return mixture(at, { routed: x, rules, bias: await tensor(at, "router.bias"), expert });
}

type Three = [Floats, Floats, Floats];

function memberBias(all: Floats, member: number, members: number): Floats {
  const size = all.length / members;
  return all.subarray(member * size, (member + 1) * size);
}
