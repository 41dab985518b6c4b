import type { Sensitivity } from "./sensitivity-types.ts";

/** What tiers for mlx-vlm alone have in front of the modules of a language model. */
const prefix = "language_model.";

/**
 * A sensitivity with the names that tiers for another loader have for the same modules. `modules`:
 * MLX module paths of the base's tiers. A module that has no other name among them keeps its own.
 */
export function withModulesOf(modules: Iterable<string>, sensitivity: Sensitivity): Sensitivity {
  const known = new Set(modules);
  const spell = <T extends { readonly module: string }>(one: T): T => {
    const { module } = one;
    const other = module.startsWith(prefix) ? module.slice(prefix.length) : prefix + module;
    return !known.has(module) && known.has(other) ? { ...one, module: other } : one;
  };
  const { tensors, check } = sensitivity;
  return { ...sensitivity, tensors: tensors.map(spell), check: check.map(spell) };
}
