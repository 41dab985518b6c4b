import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import type { Architecture } from "./architecture.ts";
import { integer } from "./config-fields.ts";
import { hybridLayers } from "./hybrid-layers.ts";
import type { HasLeaf } from "./hybrid-mtp.ts";
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

const isSingle = (name: string) => /\.mlp\.experts\.\d+\./.test(name);
const isStacked = (name: string) => /\.mlp\.experts\.(gate_up|down)_proj$/.test(name);

/** Throws BAD_CHECKPOINT for experts of which some are stacked and others are not. */
function refuseMixed(single: string | undefined, stacked: string | undefined): void {
  if (single === undefined || stacked === undefined) return;
  throw new OqeError(
    "BAD_CHECKPOINT",
    `the experts are in two layouts: "${single}" is of one expert, "${stacked}" of all`,
    "Readers take one or the other. Publish every layer in one layout.",
  );
}

/** Bases in FP8 have a tensor for each expert, those in BF16 one for all experts of a layer. */
function inLayoutOf(names: Iterable<string>): Architecture {
  let [single, stacked]: (string | undefined)[] = [];
  for (const name of names) {
    if (isSingle(name)) single ??= name;
    else if (isStacked(name)) stacked ??= name;
  }
  refuseMixed(single, stacked);
  if (single === undefined) return qwen3_5Moe;
  const roles: Architecture["roles"] = (kind) =>
    hybridRoles(kind, "apart", singleExperts).map(inLanguageModel);
  return { ...qwen3_5Moe, roles };
}

/** Rows of the experts of a block of multi-token prediction, which is published in both layouts. */
function mtpExperts(has: HasLeaf) {
  const single = has("mlp.experts.0.");
  if (single && has("mlp.experts.gate_up_proj"))
    refuseMixed("mtp.layers.*.mlp.experts.0.*", "mtp.layers.*.mlp.experts.gate_up_proj");
  return single ? singleExperts : stackedRoles;
}

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
  inLayoutOf,
  carried: carriedBy(mtpExperts),
  experts: (c) => ({
    routed: experts(c),
    perToken: integer(c, "num_experts_per_tok"),
    shared: 1,
  }),
};
