import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import type { Architecture, Role } from "./architecture.ts";
import { flag, has, integer, keySize, layerCount, querySize } from "./config-fields.ts";
import { foldNemotronH } from "./fold-nemotron-h.ts";
import type { LayerKind } from "./layer-kind.ts";
import { blockKinds, lettersOf } from "./nemotron-h-blocks.ts";
import { nemotronHForward, stepLimits } from "./nemotron-h-forward.ts";
import { mtpTensors } from "./nemotron-h-mtp.ts";
import { biasesOf, rolesUnder } from "./roles.ts";
import { transpose } from "./transforms.ts";

const hidden = (c: ModelConfig) => integer(c, "hidden_size");
const vocabulary = (c: ModelConfig) => integer(c, "vocab_size");
const heads = (c: ModelConfig) => integer(c, "mamba_num_heads");
/** I: channels of the Mamba-2 state, heads × head size. */
const inner = (c: ModelConfig) => heads(c) * integer(c, "mamba_head_dim");
/** C: channels through the convolution, x and both of B and C. */
const convolved = (c: ModelConfig) =>
  inner(c) + 2 * integer(c, "n_groups") * integer(c, "ssm_state_size");
/** All outputs of in_proj: gate, convolved channels, and a step for each head. */
const projected = (c: ModelConfig) => inner(c) + convolved(c) + heads(c);
const taps = (c: ModelConfig) => integer(c, "conv_kernel");
const inter = (c: ModelConfig) => integer(c, "intermediate_size");
const experts = (c: ModelConfig) => integer(c, "n_routed_experts");
const expertSize = (c: ModelConfig) => integer(c, "moe_intermediate_size");
const sharedSize = (c: ModelConfig) => integer(c, "moe_shared_expert_intermediate_size");
const latent = (c: ModelConfig) => has(c, "moe_latent_size");
const expertInput = (c: ModelConfig) => (latent(c) ? integer(c, "moe_latent_size") : hidden(c));
const shared = (c: ModelConfig) => has(c, "n_shared_experts");
const mlpBias = (c: ModelConfig) => flag(c, "mlp_bias");

const whyState =
  "sets the decay and step of the state-space recurrence, where an error compounds over time";
const whyConvolution = "depthwise convolution: tiny, and MLX does not quantize it";

const outer = rolesUnder("");
const block = rolesUnder("backbone.layers.{i}.");
const mixer = rolesUnder("backbone.layers.{i}.mixer.");

// out_proj stands before in_proj: the published matrix was planned in this order (docs/tiers.md).
const mambaMatrices = [
  mixer.linear("mamba.out", "out_proj", [hidden, inner], { fedBy: "mamba.y", residual: true }),
  mixer.linear("mamba.in", "in_proj", [projected, hidden], { fedBy: "block.in" }),
];
const mamba = [
  ...mambaMatrices,
  ...biasesOf(mambaMatrices, (c) => flag(c, "mamba_proj_bias")),
  mixer.unquantized("mamba.conv", "conv1d.weight", [convolved, 1, taps], {
    kind: "convolution",
    why: whyConvolution,
    from: () => [transpose],
  }),
  mixer.bias("mamba.conv.bias", "conv1d", convolved, (c) => flag(c, "use_conv_bias")),
  mixer.unquantized("mamba.A_log", "A_log", [heads], {
    kind: "state",
    why: whyState,
    exemptFromCast: true,
  }),
  mixer.unquantized("mamba.D", "D", [heads], { kind: "state", why: whyState }),
  mixer.unquantized("mamba.dt_bias", "dt_bias", [heads], { kind: "state", why: whyState }),
  mixer.norm("mamba.norm", "norm", inner),
];

const attentionMatrices = [
  mixer.linear("attention.q", "q_proj", [querySize, hidden], { fedBy: "block.in" }),
  mixer.linear("attention.k", "k_proj", [keySize, hidden], { fedBy: "block.in" }),
  mixer.linear("attention.v", "v_proj", [keySize, hidden], { fedBy: "block.in" }),
  mixer.linear("attention.o", "o_proj", [hidden, querySize], {
    fedBy: "attention.y",
    residual: true,
  }),
];
const attention = [
  ...attentionMatrices,
  ...biasesOf(attentionMatrices, (c) => flag(c, "attention_bias")),
];

/** Without a narrower space its output is added to the residual stream, as a part of the sum. */
const expertDown = (fields: Pick<Role, "when"> & Pick<Partial<Role>, "residual">) =>
  mixer.expert(
    "experts.down",
    ["experts.{e}.down_proj", "switch_mlp.fc2"],
    [expertInput, expertSize],
    { fedBy: "experts.h", ...fields },
  );
const routed = [
  mixer.router("gate", [experts, hidden], { fedBy: "block.in" }),
  mixer.correction("gate.e_score_correction_bias", [experts]),
  mixer.expert("experts.up", ["experts.{e}.up_proj", "switch_mlp.fc1"], [expertSize, expertInput], {
    fedBy: "experts.in",
  }),
  expertDown({ when: (c) => !latent(c), residual: true }),
  expertDown({ when: latent }),
];
/**
 * Matrices that every token visits: the shared expert, and the projections around a narrower space
 * of experts.
 */
const visited = [
  mixer.linear("shared.up", "shared_experts.up_proj", [sharedSize, hidden], {
    fedBy: "block.in",
    when: shared,
  }),
  mixer.linear("shared.down", "shared_experts.down_proj", [hidden, sharedSize], {
    fedBy: "shared.h",
    residual: true,
    when: shared,
  }),
  mixer.linear("latent.in", "fc1_latent_proj", [expertInput, hidden], {
    fedBy: "block.in",
    when: latent,
  }),
  mixer.linear("latent.out", "fc2_latent_proj", [hidden, expertInput], {
    fedBy: "latent.h",
    residual: true,
    when: latent,
  }),
];
const moe = [...routed, ...visited, ...biasesOf(visited, mlpBias)];

const mlpMatrices = [
  mixer.linear("mlp.up", "up_proj", [inter, hidden], { fedBy: "block.in" }),
  mixer.linear("mlp.down", "down_proj", [hidden, inter], { fedBy: "mlp.h", residual: true }),
];
const mlp = [...mlpMatrices, ...biasesOf(mlpMatrices, mlpBias)];

const rolesOf = (kind: LayerKind) => [
  block.norm("norm", "norm", hidden, { feeds: ["block.in"] }),
  ...(kind.mixer === "mamba" ? mamba : []),
  ...(kind.mixer === "attention" ? attention : []),
  ...(kind.mlp === "moe" ? moe : []),
  ...(kind.mlp === "dense" ? mlp : []),
];

/**
 * Nemotron-H: Mamba-2, attention, MoE and MLP blocks by a pattern (mlx-lm models/nemotron_h.py).
 */
export const nemotronH: Architecture = {
  modelType: "nemotron_h",
  label: "Nemotron-H",
  inMlxVlm: "same",
  fold: foldNemotronH,
  layers(config) {
    const letters = lettersOf(config.hybrid_override_pattern);
    if (
      has(config, "num_hidden_layers") &&
      layerCount(config, "num_hidden_layers") !== letters.length
    ) {
      throw new OqeError(
        "BAD_CHECKPOINT",
        `config.json: "hybrid_override_pattern" names ${letters.length} blocks, ` +
          `"num_hidden_layers" says ${config.num_hidden_layers}`,
        "The config may belong to another checkpoint.",
      );
    }
    return letters.map((letter) => blockKinds[letter]);
  },
  outer: [
    outer.embeddings("backbone.embeddings", [vocabulary, hidden]),
    outer.norm("final_norm", "backbone.norm_f", hidden, { feeds: ["head.in"] }),
    outer.head("lm_head", [vocabulary, hidden]),
  ],
  roles: rolesOf,
  experts: (c) =>
    nemotronH.layers(c).some(({ mlp }) => mlp === "moe")
      ? {
          routed: experts(c),
          perToken: integer(c, "num_experts_per_tok"),
          shared: shared(c) ? integer(c, "n_shared_experts") : 0,
        }
      : null,
  carried: [{ part: "mtp", names: [["mtp."]], needs: mtpTensors(rolesOf), isWhole: true }],
  dropped: () => false,
  /**
   * transformers clamps the step dt from below at `time_step_min` and ignores `time_step_limit`
   * (modeling_nemotron_h.py, NemotronHMamba2Mixer). mlx-lm clamps at `time_step_limit[0]`, 0 if
   * absent. So the MLX repository states transformers' limits in mlx-lm's key.
   */
  tokenizerClass: null,
  countsAsMoe: false,
  mlxConfig: (c) => {
    return { ...c, time_step_limit: stepLimits(c) };
  },
  configReasons: {
    time_step_limit:
      "transformers clamps the Mamba step from below at time_step_min, mlx-lm at " +
      "time_step_limit; " +
      "both must clamp alike to give the same logits",
  },
  forward: nemotronHForward,
};
