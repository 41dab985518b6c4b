import { show } from "../checkpoint/json.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import type { Role } from "./architecture.ts";
import { has, integer } from "./config-fields.ts";
import type { LayerKind } from "./layer-kind.ts";
import { blockKinds, blockLetters, lettersOf } from "./nemotron-h-blocks.ts";
import type { PartContext, PartTable, PartTensor } from "./part-tensors.ts";
import { tensorsOfRoles } from "./role-tensors.ts";

const leave = " Or leave it out: set carry without mtp.";

/**
 * The table of multi-token prediction of Nemotron-H: for each step two norms and a projection, the
 * blocks that the config names, and a norm. All blocks are numbered on. transformers'
 * NemotronHConfig has attention and MoE where it names none. `rolesOf`: rows of a block.
 * Throws BAD_CHECKPOINT for blocks that are not known, and for a config without any step.
 */
export function mtpTensors(rolesOf: (kind: LayerKind) => readonly Role[]): PartTable {
  return function* ({ folded }: PartContext): Iterable<PartTensor> {
    const [key, given] = patternOf(folded);
    const blocks = lettersOf(given, key, leave).map((letter) => blockKinds[letter]);
    const size = integer(folded, "hidden_size");
    const steps = stepsOf(folded);
    for (let step = 0; step < steps; step++) {
      const first = step * blocks.length;
      yield { name: `layers.${first}.enorm.weight`, shape: [size] };
      yield { name: `layers.${first}.hnorm.weight`, shape: [size] };
      yield { name: `layers.${first}.eh_proj.weight`, shape: [size, 2 * size] };
      for (const [block, kind] of blocks.entries()) {
        const experts = kind.mlp === "moe" ? integer(folded, "n_routed_experts") : 0;
        yield* tensorsOfRoles(rolesOf(kind), first + block, { folded, experts });
      }
      const last = first + blocks.length - 1;
      yield { name: `layers.${last}.final_layernorm.weight`, shape: [size] };
    }
  };
}

function patternOf(config: ModelConfig): readonly [key: string, pattern: unknown] {
  const key = ["mtp_hybrid_override_pattern", "mtp_layers_block_type"].find((one) =>
    has(config, one),
  );
  if (key === undefined) return ["mtp_hybrid_override_pattern", "*E"];
  const given = config[key];
  const letters = (kinds: readonly unknown[]) =>
    kinds.map((kind) => blockLetters.get(kind) ?? kind);
  return [key, Array.isArray(given) ? letters(given) : given];
}

/** Tokens that are predicted beside the next one: one where the config does not say. */
function stepsOf({ num_nextn_predict_layers: steps = 1 }: ModelConfig): number {
  if (steps === null) return 1;
  if (typeof steps === "number" && Number.isSafeInteger(steps) && steps > 0) return steps;
  throw new OqeError(
    "BAD_CHECKPOINT",
    `config.json: "num_nextn_predict_layers" is ${show(steps)}, but the base has tensors of ` +
      "multi-token prediction, which needs a positive integer",
    `Correct config.json, or remove these tensors from the base.${leave}`,
  );
}
