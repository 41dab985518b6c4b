import type { Role } from "./architecture.ts";
import { layerKinds } from "./layer-kind.ts";
import { architectureFor, findWritten } from "./registry.ts";

/**
 * The role of a module of an MLX repository, by its path (`model.layers.3.self_attn.q_proj`),
 * without a config. Null where the model_type is not supported or its table has no such module.
 */
export function roleOfModule(modelType: string, path: string): Role | null {
  const name = `${path.replace(/\.\d+\./, ".{i}.")}.weight`;
  return tableOf(modelType).get(name) ?? null;
}

const tables = new Map<string, ReadonlyMap<string, Role>>();

/** MLX tensor name -> its role, of all configs. */
function tableOf(modelType: string): ReadonlyMap<string, Role> {
  let table = tables.get(modelType);
  if (table === undefined) {
    const isKnown = architectureFor(modelType) !== undefined;
    const architecture = isKnown ? findWritten({ model_type: modelType }) : undefined;
    const roles = architecture
      ? [...architecture.outer, ...layerKinds.flatMap((kind) => architecture.roles(kind))]
      : [];
    table = new Map(roles.map((role) => [role.mlx, role]));
    tables.set(modelType, table);
  }
  return table;
}
