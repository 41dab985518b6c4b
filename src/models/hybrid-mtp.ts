import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { Role } from "./architecture.ts";
import type { Carried } from "./carried.ts";
import { integer } from "./config-fields.ts";
import type { PartContext, PartTensor } from "./part-tensors.ts";
import { tensorsOfRoles } from "./role-tensors.ts";

/** Whether a layer has a tensor whose name, behind the layer's number, begins so. */
export type HasLeaf = (leaf: string) => boolean;

/**
 * Multi-token prediction of Qwen3-Next and Qwen3.5: `mtp.fc` joins a hidden state with the next
 * token's embedding; full attention blocks of the language model and a norm follow.
 * `rolesOf`: rows of such a block.
 */
export function hybridMtp(
  rolesOf: (has: HasLeaf) => readonly Role[],
  countOf: (config: ModelConfig) => number | null,
): Carried {
  return {
    part: "mtp",
    names: [["mtp."]],
    isWhole: true,
    needs: (context) => mtpTensors(rolesOf, context, countOf(context.file)),
    layers: { "layers.": countOf },
  };
}

function* mtpTensors(
  rolesOf: (has: HasLeaf) => readonly Role[],
  { folded, names }: PartContext,
  count: number | null,
): Iterable<PartTensor> {
  const hidden = integer(folded, "hidden_size");
  yield { name: "fc.weight", shape: [hidden, 2 * hidden] };
  for (const norm of ["norm", "pre_fc_norm_hidden", "pre_fc_norm_embedding"])
    yield { name: `${norm}.weight`, shape: [hidden] };
  const experts = typeof folded.num_experts === "number" ? folded.num_experts : 0;
  const all = [...names];
  const hasLayer = (layer: number) => all.some((name) => name.startsWith(`layers.${layer}.`));
  // Where the config does not say how many: one, and those that are there.
  for (let layer = 0; count === null ? layer === 0 || hasLayer(layer) : layer < count; layer++) {
    const has: HasLeaf = (leaf) => all.some((name) => name.startsWith(`layers.${layer}.${leaf}`));
    yield* tensorsOfRoles(rolesOf(has), layer, { folded, experts });
  }
}
