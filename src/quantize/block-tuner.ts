import type { Matrix } from "../kernel/matrix.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { LayerKind } from "../models/layer-kind.ts";
import { type VisitedMatrix, visitBlock } from "./block-visit.ts";
import type { HessianWatch } from "./input-hessians.ts";
import { tuneForTiers } from "./matrix-tuner.ts";
import type { ResidualRepair } from "./residual-repair.ts";
import type { TuneWalk } from "./tune-types.ts";

export interface TunedBlock {
  readonly layer: number;
  readonly kind: LayerKind;
  /** The block's quantized tensors. */
  readonly quantized: readonly PlannedTensor[];
  /** Gives matrices other targets; null: they approximate the base. */
  readonly residual: ResidualRepair | null;
}

/**
 * Tunes all quantized matrices of a block. `x` are the hidden states `[tokens, hidden]` before it.
 * Returns those after it: made with the base's weights, or in a sequential walk with the stored
 * ones.
 */
export function tuneBlock(walk: TuneWalk, place: TunedBlock, x: Matrix): Promise<Matrix> {
  const { calibration, routers, tools } = walk;
  const { layer, kind, quantized, residual } = place;
  const tuneOne = async (matrix: VisitedMatrix) => {
    const target = (await residual?.target(matrix)) ?? null;
    return (await tuneForTiers(walk, { ...matrix, target })) ?? matrix.weight;
  };
  const visit = {
    model: walk.model,
    ...{ layer, kind, tools },
    run: { length: calibration.length, ...routers?.recorders(walk.model.weights) },
    quantized,
    watch: watchBlock(walk, layer),
    visit: tuneOne,
  };
  return visitBlock(visit, x);
}

function watchBlock({ ledger, calibration }: TuneWalk, layer: number): HessianWatch {
  const tokens = calibration.ids.length;
  return {
    drop: (rows, fedBy) => ledger.drop(rows, tokens, `layer ${layer}, ${fedBy}`),
    route: (expert, x) => ledger.route(layer, expert, x),
  };
}
