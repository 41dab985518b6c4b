import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { Architecture } from "./architecture.ts";
import { integer } from "./config-fields.ts";
import { hybridLayers } from "./hybrid-layers.ts";
import { carriedBy, foldQwen35, inLanguageModel, qwen3_5 } from "./qwen3-5.ts";
import { moeRoles } from "./qwen3-moe.ts";
import { hybridRoles, sharedRoles, singleExperts } from "./qwen3-next.ts";
import { rolesUnder } from "./roles.ts";
import { firstHalf, secondHalf, sliceOfStack } from "./transforms.ts";

const hidden = (c: ModelConfig) => integer(c, "hidden_size");
const expertSize = (c: ModelConfig) => integer(c, "moe_intermediate_size");
const experts = (c: ModelConfig) => integer(c, "num_experts");

const mlp = rolesUnder("model.layers.{i}.mlp.");
const fused = "experts.gate_up_proj";
const fusedSizes = [experts, (c: ModelConfig) => 2 * expertSize(c), hidden] as const;
const fedBy = "experts.in";

/** The experts of a layer are stacked in the base, gate and up of each in one matrix. */
const stackedRoles = [
  ...moeRoles.filter(({ kind }) => kind === "router"),
  mlp.stacked("experts.gate", [fused, "switch_mlp.gate_proj"], fusedSizes, {
    fedBy,
    from: () => [sliceOfStack, firstHalf],
  }),
  mlp.stacked("experts.up", [fused, "switch_mlp.up_proj"], fusedSizes, {
    fedBy,
    from: () => [sliceOfStack, secondHalf],
  }),
  mlp.stacked(
    "experts.down",
    ["experts.down_proj", "switch_mlp.down_proj"],
    [experts, hidden, expertSize],
    { fedBy: "experts.h", residual: true, from: () => [sliceOfStack] },
  ),
  ...sharedRoles,
];

/** Qwen3.5 with a mixture of experts in every block (mlx-lm models/qwen3_5_moe.py). */
export const qwen3_5Moe: Architecture = {
  ...qwen3_5,
  modelType: "qwen3_5_moe",
  baseTypes: ["qwen3_5_moe", "qwen3_5_moe_text"],
  label: "Qwen3.5 MoE",
  countsAsMoe: true,
  // transformers' Qwen3_5MoeTextConfig
  fold: foldQwen35(
    "qwen3_5_moe",
    {
      num_key_value_heads: 2,
      moe_intermediate_size: 512,
      shared_expert_intermediate_size: 512,
      num_experts_per_tok: 8,
      num_experts: 256,
      norm_topk_prob: true,
    },
    // transformers normalizes always, mlx-lm where the config says so.
    { norm_topk_prob: true },
  ),
  layers: (c) => hybridLayers(c).map((kind) => ({ ...kind, mlp: "moe" })),
  roles: (kind) => hybridRoles(kind, "apart", stackedRoles).map(inLanguageModel),
  // Multi-token prediction is published in both spellings.
  carried: carriedBy((has) => (has("mlp.experts.0.") ? singleExperts : stackedRoles)),
  experts: (c) => ({
    routed: experts(c),
    perToken: integer(c, "num_experts_per_tok"),
    shared: 1,
  }),
};
