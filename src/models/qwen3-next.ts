import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import type { Matrix } from "../kernel/matrix.ts";
import type { Architecture, Role } from "./architecture.ts";
import { addSharedMlp, type NormedRows } from "./blocks.ts";
import { divides, flag, headSize, integer, keySize, positive, querySize } from "./config-fields.ts";
import { type DeltaInputs, deltaNet, deltaRoles } from "./delta-net.ts";
import type { Defaults } from "./fold.ts";
import { foldTransformer } from "./fold-transformer.ts";
import type { BlockContext, Forward } from "./forward.ts";
import { foldInterval, hybridLayers } from "./hybrid-layers.ts";
import { hybridMtp } from "./hybrid-mtp.ts";
import type { LayerKind } from "./layer-kind.ts";
import { attend, llama, mlpRoles, swiglu, transformerForward } from "./llama.ts";
import { moeRoles, softmaxMoe, sparseLayers } from "./qwen3-moe.ts";
import { biasesOf, rolesUnder } from "./roles.ts";
import { plusOne } from "./transforms.ts";

const hidden = (c: ModelConfig) => integer(c, "hidden_size");
const sharedSize = (c: ModelConfig) => integer(c, "shared_expert_intermediate_size");

const outer = rolesUnder("");
const block = rolesUnder("model.layers.{i}.");
const attention = rolesUnder("model.layers.{i}.self_attn.");
const mlp = rolesUnder("model.layers.{i}.mlp.");

/** The base stores these norms minus one (Qwen3NextRMSNorm); mlx-lm adds it. */
const minusOne = { from: () => [plusOne] };

/** q_proj makes a query and a gate for each head. */
const attentionMatrices = [
  attention.linear("attention.q", "q_proj", [(c) => 2 * querySize(c), hidden], {
    fedBy: "block.in",
  }),
  attention.linear("attention.k", "k_proj", [keySize, hidden], { fedBy: "block.in" }),
  attention.linear("attention.v", "v_proj", [keySize, hidden], { fedBy: "block.in" }),
  attention.linear("attention.o", "o_proj", [hidden, querySize], {
    fedBy: "attention.y",
    residual: true,
  }),
];
const attentionRoles = [
  ...attentionMatrices,
  ...biasesOf(attentionMatrices, (c) => flag(c, "attention_bias")),
  attention.norm("norm.q", "q_norm", headSize, minusOne),
  attention.norm("norm.k", "k_norm", headSize, minusOne),
];

/** The expert that all tokens visit, and the vector whose sigmoid says how much it counts. */
export const sharedRoles = [
  mlp.linear("shared.gate", "shared_expert.gate_proj", [sharedSize, hidden], { fedBy: "mlp.in" }),
  mlp.linear("shared.up", "shared_expert.up_proj", [sharedSize, hidden], { fedBy: "mlp.in" }),
  mlp.linear("shared.down", "shared_expert.down_proj", [hidden, sharedSize], {
    fedBy: "shared.h",
    residual: true,
  }),
  mlp.unquantized("shared.share", "shared_expert_gate.weight", [1, hidden], {
    kind: "gate",
    why: "scales the whole shared expert, and is as small as a norm",
    stockWidth: { bits: 8, groupSize: 64 },
  }),
];

/** A mixture of experts with a tensor for each expert. */
export const singleExperts = [...moeRoles, ...sharedRoles];

/** The kind of all blocks of multi-token prediction, whatever their MLP. */
export const fullAttention: LayerKind = { mixer: "attention", mlp: null };

/** Rows of a block with the given MLP, in the order of its parameters. */
export function hybridRoles(
  { mixer }: LayerKind,
  inputs: DeltaInputs,
  mlp: readonly Role[],
): readonly Role[] {
  return [
    block.norm("norm.attention", "input_layernorm", hidden, { feeds: ["block.in"], ...minusOne }),
    ...(mixer === "delta" ? deltaRoles("model.layers.{i}.linear_attn.", inputs) : attentionRoles),
    block.norm("norm.mlp", "post_attention_layernorm", hidden, {
      feeds: ["mlp.in", "experts.in"],
      ...minusOne,
    }),
    ...mlp,
  ];
}

/** Rows outside the blocks: those of a Llama, with a norm that the base stores minus one. */
export const hybridOuter = [
  ...llama.outer.filter(({ kind }) => kind === "embeddings"),
  outer.norm("final_norm", "model.norm", hidden, { feeds: ["head.in"], ...minusOne }),
  ...llama.outer.filter(({ kind }) => kind === "head"),
];

/** Values of absent keys in the configs of Qwen3-Next and Qwen3.5. */
export const hybridDefaults: Defaults = {
  num_attention_heads: 16,
  head_dim: 256,
  max_position_embeddings: 32_768,
  attention_bias: false,
  linear_conv_kernel_dim: 4,
  linear_key_head_dim: 128,
  linear_value_head_dim: 128,
  linear_num_key_heads: 16,
  linear_num_value_heads: 32,
};
/** The share of a head's channels that is rotated. */
export const usualRotary = 0.25;
/** transformers and mlx-lm gate the attention's output whatever the config says. */
export const alwaysGated = { attn_output_gate: true };

const fold = foldTransformer({
  // transformers' Qwen3NextConfig
  defaults: {
    ...hybridDefaults,
    intermediate_size: 5632,
    num_key_value_heads: 2,
    decoder_sparse_step: 1,
    moe_intermediate_size: 512,
    shared_expert_intermediate_size: 512,
    num_experts_per_tok: 10,
    num_experts: 512,
    norm_topk_prob: true,
    mlp_only_layers: () => [],
  },
  fixed: alwaysGated,
  partialRotary: usualRotary,
});

const layers = (c: ModelConfig) => sparseLayers(c, hybridLayers(c));

/**
 * Qwen3-Next (mlx-lm models/qwen3_next.py): three blocks of gated DeltaNet to one of gated
 * attention, and a mixture of experts with a shared one.
 */
export const qwen3Next: Architecture = {
  ...llama,
  modelType: "qwen3_next",
  label: "Qwen3-Next",
  tokenizerClass: "Qwen2Tokenizer",
  countsAsMoe: true,
  fold: (raw) => foldInterval(fold(raw)),
  layers,
  outer: hybridOuter,
  roles: (kind) => hybridRoles(kind, "by head", kind.mlp === "moe" ? singleExperts : mlpRoles),
  experts: (c) =>
    layers(c).some(({ mlp }) => mlp === "moe")
      ? {
          routed: integer(c, "num_experts"),
          perToken: integer(c, "num_experts_per_tok"),
          shared: 1,
        }
      : null,
  carried: [
    hybridMtp(
      (has) =>
        hybridRoles(fullAttention, "by head", has("mlp.up_proj.") ? mlpRoles : singleExperts),
      ({ num_nextn_predict_layers: count }) => (typeof count === "number" ? count : null),
    ),
  ],
  forward: hybridForward("by head"),
};

/** The forward pass of Qwen3-Next and Qwen3.5. */
export function hybridForward(inputs: DeltaInputs): Forward {
  const plain = transformerForward({
    mixer: (at, x) =>
      at.kind.mixer === "delta"
        ? deltaNet(at, x, inputs)
        : attend(at, x, { rotated: rotatedSize(at.config), gated: true }),
    mlp: (at, x) => (at.kind.mlp === "moe" ? sharedMoe(at, x) : swiglu(at, x)),
  });
  return {
    ...plain,
    check(c) {
      plain.check(c);
      divides(c, "linear_num_key_heads", "linear_num_value_heads");
      rotatedSize(c);
    },
  };
}

/** Channels of a head that are rotated. Throws BAD_CHECKPOINT where they make no pairs. */
function rotatedSize(c: ModelConfig): number {
  const share = positive(c, "partial_rotary_factor");
  const size = Math.trunc(headSize(c) * share);
  if (size > 0 && size <= headSize(c) && size % 2 === 0) return size;
  throw new OqeError(
    "BAD_CHECKPOINT",
    `config.json: "partial_rotary_factor" ${share} of "head_dim" ${headSize(c)} gives ${size} ` +
      "channels to rotate, not an even number of them",
    "Check that the config belongs to this checkpoint.",
  );
}

async function sharedMoe(at: BlockContext, x: NormedRows): Promise<Matrix> {
  const y = await softmaxMoe(at, x);
  await addSharedMlp(at, "shared", x, y);
  return y;
}
