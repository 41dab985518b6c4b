import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import type { Architecture, Role } from "./architecture.ts";
import { integer } from "./config-fields.ts";
import { foldQwen3Moe } from "./fold-transformer.ts";
import type { LayerKind } from "./layer-kind.ts";
import { attentionRoles, mlpRoles, sameName } from "./llama.ts";
import { headNorms, qwen3 } from "./qwen3.ts";

const hidden = (c: ModelConfig) => integer(c, "hidden_size");
const expertSize = (c: ModelConfig) => integer(c, "moe_intermediate_size");
const experts = (c: ModelConfig) => integer(c, "num_experts");
const mlp = "model.layers.{i}.mlp";

function expert(role: string, leaf: string, fedBy: string, shape: Role["shape"]): Role {
  return {
    role,
    base: `${mlp}.experts.{e}.${leaf}.weight`,
    mlx: `${mlp}.switch_mlp.${leaf}.weight`,
    fedBy,
    treatment: "quantized",
    shape,
    routed: true,
  };
}

const moeRoles: readonly Role[] = [
  sameName("router", `${mlp}.gate.weight`, null, (c) => [experts(c), hidden(c)], {
    treatment: "kept",
    why: "router: an error here sends tokens to other experts",
  }),
  expert("experts.gate", "gate_proj", "experts.in", (c) => [expertSize(c), hidden(c)]),
  expert("experts.up", "up_proj", "experts.in", (c) => [expertSize(c), hidden(c)]),
  expert("experts.down", "down_proj", "experts.h", (c) => [hidden(c), expertSize(c)]),
];

/** Layer L is MoE when (L + 1) is a multiple of `decoder_sparse_step` and L is not in `mlp_only_layers`. */
function layers(c: ModelConfig): readonly LayerKind[] {
  const step = integer(c, "decoder_sparse_step", 1);
  const dense = c.mlp_only_layers ?? [];
  if (!Array.isArray(dense)) {
    throw new OqeError(
      "BAD_CHECKPOINT",
      `config.json: "mlp_only_layers" should be a list, got ${JSON.stringify(dense)}`,
    );
  }
  return qwen3
    .layers(c)
    .map((_, i) => ((i + 1) % step === 0 && !dense.includes(i) ? "moe" : "transformer"));
}

/** Qwen3 MoE (mlx-lm models/qwen3_moe.py): attention of Qwen3, softmax router, no shared expert. */
export const qwen3Moe: Architecture = {
  ...qwen3,
  modelType: "qwen3_moe",
  fold: foldQwen3Moe,
  layers,
  roles: (kind) => [...attentionRoles, ...headNorms, ...(kind === "moe" ? moeRoles : mlpRoles)],
  experts: (c) =>
    layers(c).includes("moe")
      ? { routed: experts(c), perToken: integer(c, "num_experts_per_tok"), shared: 0 }
      : null,
};
