import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { Role } from "./architecture.ts";
import type { PartTensor } from "./part-tensors.ts";

/**
 * Tensors of block `layer` of a part, as a role table of the language model has them.
 * `experts`: how many a layer has.
 */
export function* tensorsOfRoles(
  roles: readonly Role[],
  layer: number,
  { folded, experts }: { readonly folded: ModelConfig; readonly experts: number },
): Iterable<PartTensor> {
  for (const { base, shape, when } of roles) {
    if (when?.(folded) === false) continue;
    const name = base.replace(/^.*layers\.\{i\}\./, `layers.${layer}.`);
    const members = name.includes("{e}") ? experts : 1;
    for (let expert = 0; expert < members; expert++)
      yield { name: name.replace("{e}", String(expert)), shape: shape(folded) };
  }
}
