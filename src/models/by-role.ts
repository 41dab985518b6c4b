import { OqeError } from "../ground/errors.ts";
import type { PlannedTensor } from "./architecture.ts";

/** Tensors by layer and role. */
export function byRole<T extends Pick<PlannedTensor, "layer" | "role">>(tensors: readonly T[]) {
  const table = new Map(tensors.map((tensor) => [`${tensor.layer} ${tensor.role.role}`, tensor]));
  const find = (layer: number | null, role: string) => table.get(`${layer} ${role}`);
  const get = (layer: number | null, role: string) => {
    const tensor = find(layer, role);
    if (tensor === undefined) throw new OqeError("INTERNAL", `layer ${layer} has no role ${role}`);
    return tensor;
  };
  return { find, get };
}
