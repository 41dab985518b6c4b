import { type Weight, weightRows } from "../kernel/matrix.ts";
import type { WeightSource } from "../models/run.ts";

/** The matrix that a source is to give for a role; null: its own. */
export type Replacement = (
  layer: number | null,
  role: string,
  expert: number | undefined,
) => Weight | null | Promise<Weight | null>;

/** The same weights with some matrices replaced. */
export function replaceMatrices(weights: WeightSource, replacement: Replacement): WeightSource {
  const matrix: WeightSource["matrix"] = async (layer, role, expert, range) => {
    const other = await replacement(layer, role, expert);
    if (other === null) return weights.matrix(layer, role, expert, range);
    return range === undefined ? other : weightRows(other, ...range);
  };
  return { ...weights, matrix };
}
