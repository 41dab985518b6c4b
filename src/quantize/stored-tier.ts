import type { FloatDtype } from "../kernel/dtype.ts";
import { unquantizedDtype } from "../mlx/format.ts";
import type { FinishedTensor } from "../mlx/mlx-weights.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { TierPlan } from "../plan/plan-types.ts";
import { widthOf } from "../plan/plan-widths.ts";

/** The tensors of a model as a plan stores them. `storage`: dtype of scales and biases. */
export function tensorsOfPlan(
  tensors: readonly PlannedTensor[],
  plan: TierPlan,
  storage: FloatDtype,
): readonly FinishedTensor[] {
  return tensors.map((tensor) => {
    const width = widthOf(plan, tensor);
    const dtype = width === undefined ? unquantizedDtype(tensor, storage) : storage;
    return { ...tensor, width, dtype };
  });
}
