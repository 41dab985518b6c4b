import type { FloatDtype } from "../kernel/dtype.ts";
import type { Weight } from "../kernel/matrix.ts";
import { unquantizedDtype } from "../mlx/format.ts";
import { type FinishedTensor, storedWeights } from "../mlx/mlx-weights.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { WeightSource } from "../models/run.ts";
import type { TierPlan } from "../plan/plan-types.ts";
import { widthOf } from "../plan/plan-widths.ts";
import type { TierTarget } from "./tier-writer.ts";
import type { TuneWalk } from "./tune-types.ts";
import type { TuningTools } from "./tuning-tools.ts";

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

/** A tier's weights, read back from its shards. */
export function weightsOfTier(
  tensors: readonly PlannedTensor[],
  { plan, sink }: Pick<TierTarget, "plan" | "sink">,
  { storage, kernel }: Pick<TuningTools, "storage" | "kernel">,
): WeightSource {
  return storedWeights(tensorsOfPlan(tensors, plan, storage), sink.read.bind(sink), kernel);
}

/** A quantized matrix of a sequential walk's tier, read back from its shards. */
export function storedMatrix(
  { base, writer, tools }: Pick<TuneWalk, "base" | "writer" | "tools">,
  { layer, role }: PlannedTensor,
): Promise<Weight> {
  return weightsOfTier(base.tensors, writer.tiers[0]!, tools).matrix(layer, role.role);
}
