import { show } from "../checkpoint/json.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import type { Matrix } from "../kernel/matrix.ts";
import type { RouterRules } from "../kernel/routines/route.ts";
import type { Architecture } from "./architecture.ts";
import { type Expert, mixture, type NormedRows } from "./blocks.ts";
import { flag, has, integer } from "./config-fields.ts";
import type { Folded } from "./fold.ts";
import { evenHeadSize, foldTransformer, windowDefaults } from "./fold-transformer.ts";
import type { BlockContext } from "./forward.ts";
import type { LayerKind } from "./layer-kind.ts";
import { attentionRoles, mlpRoles, swiglu, transformerForward } from "./llama.ts";
import { headNorms, qwen3 } from "./qwen3.ts";
import { rolesUnder } from "./roles.ts";
import { ranksOf } from "./routing.ts";
import { windowIfUsed } from "./sliding-window.ts";

const hidden = (c: ModelConfig) => integer(c, "hidden_size");
const expertSize = (c: ModelConfig) => integer(c, "moe_intermediate_size");
const experts = (c: ModelConfig) => integer(c, "num_experts");
const perToken = (c: ModelConfig) => integer(c, "num_experts_per_tok");

const mlp = rolesUnder("model.layers.{i}.mlp.");
const leaf = (name: string) => [`experts.{e}.${name}`, `switch_mlp.${name}`] as const;

export const moeRoles = [
  mlp.router("gate", [experts, hidden], {
    fedBy: "mlp.in",
    stockWidth: { bits: 8, groupSize: 64 },
  }),
  mlp.expert("experts.gate", leaf("gate_proj"), [expertSize, hidden], { fedBy: "experts.in" }),
  mlp.expert("experts.up", leaf("up_proj"), [expertSize, hidden], { fedBy: "experts.in" }),
  mlp.expert("experts.down", leaf("down_proj"), [hidden, expertSize], {
    fedBy: "experts.h",
    residual: true,
  }),
];

/**
 * Layer L is a mixture of experts when L + 1 is a multiple of `decoder_sparse_step` and L is not in
 * `mlp_only_layers`. Without experts none is. Throws BAD_CHECKPOINT for `mlp_only_layers` that are
 * no layers of the model.
 */
export function sparseLayers(c: ModelConfig, kinds: readonly LayerKind[]): readonly LayerKind[] {
  const step = integer(c, "decoder_sparse_step");
  const dense = c.mlp_only_layers;
  if (!Array.isArray(dense)) {
    throw new OqeError(
      "BAD_CHECKPOINT",
      `config.json: "mlp_only_layers" should be a list, got ${show(dense)}`,
    );
  }
  const beyond = dense.find((layer) => !Number.isInteger(layer) || !(layer in kinds));
  if (beyond !== undefined) {
    throw new OqeError(
      "BAD_CHECKPOINT",
      `config.json: "mlp_only_layers" is ${show(dense)}, but ${show(beyond)} is none of the ` +
        `${kinds.length} layers, which count from 0`,
      "The config may belong to another checkpoint.",
    );
  }
  return kinds.map((kind, i) =>
    c.num_experts !== 0 && (i + 1) % step === 0 && !dense.includes(i)
      ? { ...kind, mlp: "moe" }
      : kind,
  );
}

const layers = (c: ModelConfig) => sparseLayers(c, qwen3.layers(c));

const fold = foldTransformer({
  // transformers' Qwen3MoeConfig
  defaults: {
    ...windowDefaults,
    intermediate_size: 6144,
    num_key_value_heads: 4,
    head_dim: evenHeadSize,
    max_position_embeddings: 32_768,
    attention_bias: false,
    num_experts: 128,
    num_experts_per_tok: 8,
    moe_intermediate_size: 768,
    decoder_sparse_step: 1,
    mlp_only_layers: () => [],
    norm_topk_prob: false,
  },
  renamed: { num_local_experts: "num_experts" },
  fixed: { attention_bias: false },
  window: windowIfUsed,
});

/** Qwen3 MoE (mlx-lm models/qwen3_moe.py): attention of Qwen3, softmax router, no shared expert. */
export const qwen3Moe: Architecture = {
  ...qwen3,
  modelType: "qwen3_moe",
  label: "Qwen3 MoE",
  countsAsMoe: true,
  fold: (raw) => refuseScaling(fold(raw)),
  layers,
  roles: ({ mlp }) => [...attentionRoles, ...headNorms, ...(mlp === "moe" ? moeRoles : mlpRoles)],
  experts: (c) =>
    layers(c).some(({ mlp }) => mlp === "moe")
      ? { routed: experts(c), perToken: perToken(c), shared: 0 }
      : null,
  forward: transformerForward({
    window: windowIfUsed,
    mlp: (at, x) => (at.kind.mlp === "moe" ? softmaxMoe(at, x) : swiglu(at, x)),
  }),
};

/** Σ over each token's experts of weight · SwiGLU(x), with weights by softmax. */
export function softmaxMoe(at: BlockContext, x: NormedRows): Promise<Matrix> {
  const { ops, config: c } = at;
  const rules: RouterRules = {
    score: "softmax",
    routed: experts(c),
    visited: perToken(c),
    candidates: ranksOf({ perToken: perToken(c), routed: experts(c) }),
    groups: 1,
    openGroups: 1,
    correction: null,
    normalized: flag(c, "norm_topk_prob"),
    scale: 1,
  };
  const expert: Expert = async (expert, rows, near) => {
    const gate = await at.weight("experts.gate", rows, { expert });
    const up = await at.weight("experts.up", rows, { expert });
    const hidden = async (x: Matrix) =>
      ops.swiglu(await ops.linear(x, gate), await ops.linear(x, up)); // [visits, F]
    const h = await hidden(rows);
    if (near === undefined) return at.linear("experts.down", h, { expert });
    return at.linear("experts.down", h, { expert, near: await hidden(near) });
  };
  return mixture(at, { routed: x, rules, expert });
}

/**
 * mlx-lm's qwen3_moe has only the plain rotary embedding. Dynamic scaling equals it up to
 * max_position_embeddings.
 */
function refuseScaling({ config, assumed, warnings }: Folded): Folded {
  if (!has(config, "rope_scaling")) return { config, assumed, warnings };
  const { rope_type: type } = config.rope_scaling as Readonly<Record<string, unknown>>;
  if (type === "dynamic") {
    const warning =
      `config.json: mlx-lm's "qwen3_moe" ignores rope_scaling, so texts longer than ` +
      `max_position_embeddings (${show(config.max_position_embeddings)}) give other logits`;
    return { config, assumed, warnings: [...warnings, warning] };
  }
  throw new OqeError(
    "UNSUPPORTED_MODEL",
    `config.json: rope_scaling has type ${show(type)}; mlx-lm's "qwen3_moe" ignores it`,
    "Remove rope_scaling from the base's config.json to publish the model without it.",
  );
}
