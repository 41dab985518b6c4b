import type { Matrix } from "../kernel/matrix.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { byRole } from "../models/by-role.ts";
import type { LayerKind } from "../models/layer-kind.ts";
import { blockContext } from "../models/run.ts";
import { type CopiedMatrix, type VisitedMatrix, visitBlock } from "./block-visit.ts";
import type { HessianWatch } from "./input-hessians.ts";
import { copyForTiers, tuneForTiers } from "./matrix-tuner.ts";
import { replaceMatrices } from "./replace-matrices.ts";
import type { ResidualRepair } from "./residual-repair.ts";
import { weightsOfTier } from "./stored-tier.ts";
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
  const { calibration, routers, tools, writer } = walk;
  const { layer, kind, residual } = place;
  const isTuned = (tensor: PlannedTensor) => writer.widthsOf(tensor).length > 0;
  const quantized = place.quantized.filter(isTuned);
  const copied = place.quantized.filter((tensor) => !isTuned(tensor));
  const tuneOne = async (matrix: VisitedMatrix) => {
    const target = (await residual?.target(matrix)) ?? null;
    return (await tuneForTiers(walk, { ...matrix, target })) ?? matrix.weight;
  };
  const visit = {
    model: walk.model,
    ...{ layer, kind, tools },
    run: { length: calibration.length, ...routers?.recorders(walk.model.weights) },
    ...{ quantized, copied },
    watch: watchBlock(walk, layer),
    visit: tuneOne,
    copy: (matrix: CopiedMatrix) => copyForTiers(walk, matrix),
  };
  return visitBlock(visit, x);
}

/**
 * Takes the hidden states `x [tokens, hidden]` through a block that all tiers of the walk have
 * already. Returns what `tuneBlock` did.
 */
export function passBlock(walk: TuneWalk, { layer, kind }: TunedBlock, x: Matrix): Promise<Matrix> {
  const { model, calibration, routers, base, writer, tools, sequential } = walk;
  const run = { length: calibration.length, ...routers?.recorders(model.weights) };
  const stored = weightsOfTier(base.tensors, writer.tiers[0]!, tools);
  const known = byRole(base.tensors.filter((tensor) => writer.isQuantized(tensor)));
  const weights = replaceMatrices(model.weights, (at, role, expert) =>
    known.find(at, role) === undefined ? null : stored.matrix(at, role, expert),
  );
  const own = sequential ? { ...model, weights } : model;
  return model.architecture.forward.block(blockContext(own, layer, kind, run), x);
}

function watchBlock({ ledger, calibration }: TuneWalk, layer: number): HessianWatch {
  const tokens = calibration.ids.length;
  return {
    drop: (rows, fedBy) => ledger.drop(rows, tokens, { layer, input: fedBy }),
    route: (expert, tokens) => ledger.route(layer, expert, tokens),
  };
}
