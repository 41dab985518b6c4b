import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import type { Architecture, Role } from "./architecture.ts";
import { flag, has, integer, keySize, layerCount, querySize } from "./config-fields.ts";
import { foldNemotronH } from "./fold-nemotron-h.ts";
import type { LayerKind } from "./layer-kind.ts";
import { nemotronHForward, stepLimits } from "./nemotron-h-forward.ts";

const hidden = (c: ModelConfig) => integer(c, "hidden_size");
const vocabulary = (c: ModelConfig) => integer(c, "vocab_size");
const heads = (c: ModelConfig) => integer(c, "mamba_num_heads");
/** I: channels of the Mamba-2 state, heads × head size. */
const inner = (c: ModelConfig) => heads(c) * integer(c, "mamba_head_dim");
/** C: channels through the convolution, x and both of B and C. */
const convolved = (c: ModelConfig) =>
  inner(c) + 2 * integer(c, "n_groups") * integer(c, "ssm_state_size");
const experts = (c: ModelConfig) => integer(c, "n_routed_experts");
const expertSize = (c: ModelConfig) => integer(c, "moe_intermediate_size");
const sharedSize = (c: ModelConfig) => integer(c, "moe_shared_expert_intermediate_size");
const latent = (c: ModelConfig) => has(c, "moe_latent_size");
const expertInput = (c: ModelConfig) => (latent(c) ? integer(c, "moe_latent_size") : hidden(c));
const shared = (c: ModelConfig) => has(c, "n_shared_experts");
const mlpBias = (c: ModelConfig) => flag(c, "mlp_bias", false);
const attentionBias = (c: ModelConfig) => flag(c, "attention_bias", false);
const mambaBias = (c: ModelConfig) => flag(c, "mamba_proj_bias", false);

const norm = "norms scale every channel and cost nothing";
const state =
  "sets the decay and step of the state-space recurrence, where an error compounds over time";
const router = "router: an error here sends tokens to other experts";
const vector = "a vector, not a matrix";

/** A row of the table; `{b}` stands for `backbone.layers.{i}`. Same name in the MLX repo unless `mlx` says otherwise. */
function role(
  name: string,
  base: string,
  fedBy: string | null,
  treatment: Role["treatment"],
  shape: Role["shape"],
  more: Partial<Role> = {},
): Role {
  const full = (path: string) => path.replace("{b}", "backbone.layers.{i}");
  return {
    role: name,
    fedBy,
    treatment,
    shape,
    ...more,
    base: full(base),
    mlx: full(more.mlx ?? base),
  };
}

const blockNorm = role("norm", "{b}.norm.weight", null, "kept", (c) => [hidden(c)], { why: norm });

// out_proj stands before in_proj: the published matrix was planned in this order (docs/tiers.md).
const mamba: Role[] = [
  blockNorm,
  role("mamba.out", "{b}.mixer.out_proj.weight", "mamba.y", "quantized", (c) => [
    hidden(c),
    inner(c),
  ]),
  role("mamba.in", "{b}.mixer.in_proj.weight", "block.in", "quantized", (c) => [
    inner(c) + convolved(c) + heads(c),
    hidden(c),
  ]),
  role(
    "mamba.in.bias",
    "{b}.mixer.in_proj.bias",
    null,
    "kept",
    (c) => [inner(c) + convolved(c) + heads(c)],
    {
      why: vector,
      when: mambaBias,
    },
  ),
  role("mamba.out.bias", "{b}.mixer.out_proj.bias", null, "kept", (c) => [hidden(c)], {
    why: vector,
    when: mambaBias,
  }),
  role(
    "mamba.conv",
    "{b}.mixer.conv1d.weight",
    null,
    "kept",
    (c) => [convolved(c), 1, integer(c, "conv_kernel")],
    {
      mlxShape: (c) => [convolved(c), integer(c, "conv_kernel"), 1],
      why: "depthwise convolution: tiny, and MLX does not quantize it",
    },
  ),
  role("mamba.conv.bias", "{b}.mixer.conv1d.bias", null, "kept", (c) => [convolved(c)], {
    why: vector,
    when: (c) => flag(c, "use_conv_bias", true),
  }),
  role("mamba.A_log", "{b}.mixer.A_log", null, "kept", (c) => [heads(c)], {
    why: state,
    exemptFromCast: true,
  }),
  role("mamba.D", "{b}.mixer.D", null, "kept", (c) => [heads(c)], { why: state }),
  role("mamba.dt_bias", "{b}.mixer.dt_bias", null, "kept", (c) => [heads(c)], { why: state }),
  role("mamba.norm", "{b}.mixer.norm.weight", null, "kept", (c) => [inner(c)], { why: norm }),
];

const attention: Role[] = [
  blockNorm,
  role("attention.q", "{b}.mixer.q_proj.weight", "block.in", "quantized", (c) => [
    querySize(c),
    hidden(c),
  ]),
  role("attention.k", "{b}.mixer.k_proj.weight", "block.in", "quantized", (c) => [
    keySize(c),
    hidden(c),
  ]),
  role("attention.v", "{b}.mixer.v_proj.weight", "block.in", "quantized", (c) => [
    keySize(c),
    hidden(c),
  ]),
  role("attention.o", "{b}.mixer.o_proj.weight", "attention.y", "quantized", (c) => [
    hidden(c),
    querySize(c),
  ]),
  ...(["q", "k", "v", "o"] as const).map((p) =>
    role(
      `attention.${p}.bias`,
      `{b}.mixer.${p}_proj.bias`,
      null,
      "kept",
      (c) => [p === "q" ? querySize(c) : p === "o" ? hidden(c) : keySize(c)],
      { why: vector, when: attentionBias },
    ),
  ),
];

const moe: Role[] = [
  blockNorm,
  role("router", "{b}.mixer.gate.weight", null, "kept", (c) => [experts(c), hidden(c)], {
    why: router,
  }),
  role("router.bias", "{b}.mixer.gate.e_score_correction_bias", null, "kept", (c) => [experts(c)], {
    why: router,
    exemptFromCast: true,
  }),
  role(
    "experts.up",
    "{b}.mixer.experts.{e}.up_proj.weight",
    "experts.in",
    "quantized",
    (c) => [expertSize(c), expertInput(c)],
    {
      mlx: "{b}.mixer.switch_mlp.fc1.weight",
      routed: true,
    },
  ),
  role(
    "experts.down",
    "{b}.mixer.experts.{e}.down_proj.weight",
    "experts.h",
    "quantized",
    (c) => [expertInput(c), expertSize(c)],
    {
      mlx: "{b}.mixer.switch_mlp.fc2.weight",
      routed: true,
    },
  ),
  role(
    "shared.up",
    "{b}.mixer.shared_experts.up_proj.weight",
    "block.in",
    "quantized",
    (c) => [sharedSize(c), hidden(c)],
    {
      when: shared,
    },
  ),
  role(
    "shared.down",
    "{b}.mixer.shared_experts.down_proj.weight",
    "shared.h",
    "quantized",
    (c) => [hidden(c), sharedSize(c)],
    {
      when: shared,
    },
  ),
  role(
    "shared.up.bias",
    "{b}.mixer.shared_experts.up_proj.bias",
    null,
    "kept",
    (c) => [sharedSize(c)],
    {
      why: vector,
      when: (c) => shared(c) && mlpBias(c),
    },
  ),
  role(
    "shared.down.bias",
    "{b}.mixer.shared_experts.down_proj.bias",
    null,
    "kept",
    (c) => [hidden(c)],
    {
      why: vector,
      when: (c) => shared(c) && mlpBias(c),
    },
  ),
  role(
    "latent.in",
    "{b}.mixer.fc1_latent_proj.weight",
    "block.in",
    "quantized",
    (c) => [expertInput(c), hidden(c)],
    {
      when: latent,
    },
  ),
  role(
    "latent.out",
    "{b}.mixer.fc2_latent_proj.weight",
    "latent.h",
    "quantized",
    (c) => [hidden(c), expertInput(c)],
    {
      when: latent,
    },
  ),
  role("latent.in.bias", "{b}.mixer.fc1_latent_proj.bias", null, "kept", (c) => [expertInput(c)], {
    why: vector,
    when: (c) => latent(c) && mlpBias(c),
  }),
  role("latent.out.bias", "{b}.mixer.fc2_latent_proj.bias", null, "kept", (c) => [hidden(c)], {
    why: vector,
    when: (c) => latent(c) && mlpBias(c),
  }),
];

const mlp: Role[] = [
  blockNorm,
  role("mlp.up", "{b}.mixer.up_proj.weight", "block.in", "quantized", (c) => [
    integer(c, "intermediate_size"),
    hidden(c),
  ]),
  role("mlp.down", "{b}.mixer.down_proj.weight", "mlp.h", "quantized", (c) => [
    hidden(c),
    integer(c, "intermediate_size"),
  ]),
  role(
    "mlp.up.bias",
    "{b}.mixer.up_proj.bias",
    null,
    "kept",
    (c) => [integer(c, "intermediate_size")],
    {
      why: vector,
      when: mlpBias,
    },
  ),
  role("mlp.down.bias", "{b}.mixer.down_proj.bias", null, "kept", (c) => [hidden(c)], {
    why: vector,
    when: mlpBias,
  }),
];

const kinds: Record<string, LayerKind> = { M: "mamba", "*": "attention", E: "moe", "-": "mlp" };
const tables: Partial<Record<LayerKind, readonly Role[]>> = { mamba, attention, moe, mlp };

/** Nemotron-H: Mamba-2, attention, MoE and MLP blocks by a pattern string (mlx-lm models/nemotron_h.py). */
export const nemotronH: Architecture = {
  modelType: "nemotron_h",
  fold: foldNemotronH,
  layers(config) {
    const pattern = config.hybrid_override_pattern;
    const letters =
      typeof pattern === "string" ? [...pattern] : Array.isArray(pattern) ? pattern : [];
    if (letters.length === 0 || letters.some((letter) => !Object.hasOwn(kinds, letter))) {
      throw new OqeError(
        "BAD_CHECKPOINT",
        `config.json: "hybrid_override_pattern" should name the blocks by M, E, * and -, got ${JSON.stringify(pattern) ?? "nothing"}`,
      );
    }
    if (
      has(config, "num_hidden_layers") &&
      layerCount(config, "num_hidden_layers") !== letters.length
    ) {
      throw new OqeError(
        "BAD_CHECKPOINT",
        `config.json: "hybrid_override_pattern" names ${letters.length} blocks, "num_hidden_layers" says ${config.num_hidden_layers}`,
        "The config may belong to another checkpoint.",
      );
    }
    return letters.map((letter) => kinds[letter]!);
  },
  glue: [
    role("embeddings", "backbone.embeddings.weight", null, "quantized", (c) => [
      vocabulary(c),
      hidden(c),
    ]),
    role("final_norm", "backbone.norm_f.weight", null, "kept", (c) => [hidden(c)], { why: norm }),
    role("head", "lm_head.weight", "head.in", "quantized", (c) => [vocabulary(c), hidden(c)]),
  ],
  roles: (kind) => tables[kind] ?? [],
  experts: (c) =>
    nemotronH.layers(c).includes("moe")
      ? {
          routed: experts(c),
          perToken: integer(c, "num_experts_per_tok"),
          shared: shared(c) ? integer(c, "n_shared_experts") : 0,
        }
      : null,
  dropped: (name) => name.startsWith("mtp."),
  /**
   * transformers clamps the step dt from below at `time_step_min` and ignores `time_step_limit`
   * (modeling_nemotron_h.py, NemotronHMamba2Mixer); mlx-lm clamps at `time_step_limit[0]`, 0 if absent. The MLX repo must
   * say in mlx-lm's key what transformers does, or the logits differ.
   */
  mlxConfig: (c) => {
    return { ...c, time_step_limit: stepLimits(c) };
  },
  configReasons: {
    time_step_limit:
      "transformers clamps the Mamba step from below at time_step_min, mlx-lm at time_step_limit; both must clamp alike to give the same logits",
  },
  forward: nemotronHForward,
};
