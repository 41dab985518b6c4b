import { refuseNonFinite } from "../base/finite.ts";
import { bytesPerElement } from "../kernel/dtype.ts";
import type { Weight } from "../kernel/matrix.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { CopiedMatrix } from "./block-visit.ts";
import type { Hessian } from "./hessian.ts";
import { energyOf } from "./kept-codes.ts";
import { errorAgainst } from "./residual-repair.ts";
import { type MatrixRows, rowsOfWeight, type TuneOptions, tuneMatrix } from "./tune-matrix.ts";
import { tuneRouterAware } from "./tune-router-aware.ts";
import type { TuneWalk } from "./tune-types.ts";
import { copyOf, decodeMatrix, type TunedRows } from "./tuned-rows.ts";
import { noSums, type TunedSums } from "./tuned-sums.ts";
import { treatmentOf } from "./tuning-settings.ts";

export interface TunedMatrix {
  readonly tensor: PlannedTensor;
  /** Number in a stack of experts; 0 for a tensor that is not a stack. */
  readonly expert: number;
  /** Null: every column counts alike. */
  readonly hessian: Hessian | null;
  /** The base's matrix, in memory or read by ranges of rows. */
  readonly weight: Weight | MatrixRows;
  /** The target of the codes. Null: `weight` itself. */
  readonly target: Weight | null;
}

/**
 * Tunes one matrix for all tiers of the walk, writes it and records the result. In a sequential
 * walk it returns the stored matrix as float32, else null. Throws BAD_CHECKPOINT for values that
 * are not finite.
 */
export async function tuneForTiers(walk: TuneWalk, matrix: TunedMatrix): Promise<Weight | null> {
  const { tools, writer, ledger } = walk;
  const { tensor, expert, hessian, weight, target } = matrix;
  const { rows, columns } = weight;
  const widths = writer.widthsOf(tensor);
  if (isInMemory(weight) && writer.keepsCodes(tensor))
    await keepCodes(walk, { tensor, expert, weight });
  const parts: TunedRows[] = [];
  const write = async (part: TunedRows) => {
    if (walk.sequential) parts.push(copyOf(part));
    await writer.write(tensor, expert * rows, part);
  };
  const { routerAware, ...descent } = treatmentOf(tools.settings, tensor, hessian);
  const sampled = tensor.role.routed === true;
  const options = { hessian, widths, ...descent, alone: !sampled, sampled, write };
  const directions = routerAware ? walk.directions : null;
  const sums = await tuneRowsOf({ tools, directions }, matrix, options);
  await checkFinite(matrix, sums[0]!.nonFinite);
  const stored = walk.sequential
    ? await decodeMatrix(tools.kernel, parts, { columns, store: tools.storage })
    : null;
  // The sums give the error relative to the target. The record needs the error relative to the
  // base.
  const errors =
    target !== null && stored !== null && isInMemory(weight)
      ? await errorAgainst(tools.kernel, weight, stored)
      : {};
  ledger.add({ tensor, expert, hessian, widths, sums: sums.map((sum) => ({ ...sum, ...errors })) });
  walk.progress(rows * columns * bytesPerElement[tensor.dtype]! * writer.tiers.length);
  return stored;
}

/** Writes the base's own codes of a matrix to all tiers of the walk, and records it. */
export async function copyForTiers(walk: TuneWalk, matrix: CopiedMatrix): Promise<void> {
  await keepCodes(walk, matrix);
  const { tensor, weight } = matrix;
  const bytes = weight.rows * weight.columns * bytesPerElement[tensor.dtype]!;
  walk.progress(bytes * walk.writer.tiers.length);
}

/** Writes the base's own codes to the tiers that keep them. They have no error. */
async function keepCodes(
  { tools, writer, ledger }: TuneWalk,
  { tensor, expert, weight }: CopiedMatrix,
): Promise<void> {
  const { energy, nonFinite } = await energyOf(tools.kernel, weight);
  refuseNonFinite({ tensor, member: expert, row: 0, values: weight }, nonFinite);
  await writer.writeCodes(tensor, expert, weight);
  const sums = { ...noSums(), rows: weight.rows, weightEnergy: energy };
  ledger.keep(tensor, expert, sums);
}

/** With repair `rounding`, errors count more in the directions that later routers read. */
async function tuneRowsOf(
  { tools, directions }: Pick<TuneWalk, "tools" | "directions">,
  { tensor, weight, target }: TunedMatrix,
  options: TuneOptions,
): Promise<readonly TunedSums[]> {
  const wanted = target ?? weight;
  if (!isInMemory(wanted)) return tuneMatrix(tools, wanted, options);
  const blocks = (await directions?.blocksOf(tensor)) ?? null;
  return blocks === null
    ? tuneMatrix(tools, rowsOfWeight(wanted), options)
    : tuneRouterAware(tools, wanted, { ...options, blocks });
}

async function checkFinite(matrix: TunedMatrix, count: number): Promise<void> {
  if (count === 0) return;
  const wanted = matrix.target ?? matrix.weight;
  const values = isInMemory(wanted) ? wanted : await wanted.read(0, wanted.rows);
  refuseNonFinite({ tensor: matrix.tensor, member: matrix.expert, row: 0, values }, count);
}

function isInMemory(weight: Weight | MatrixRows): weight is Weight {
  return "bytes" in weight;
}
