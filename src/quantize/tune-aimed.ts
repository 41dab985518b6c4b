import { cross } from "../kernel/grams.ts";
import { asWeight, type Matrix, newMatrix, rowsOf, type Weight } from "../kernel/matrix.ts";
import { toFloats } from "../kernel/to-floats.ts";
import type { Width } from "../kernel/width.ts";
import type { RowBlock } from "./router-aim.ts";
import { addSums, noSums, type TunedSums, type TuneOptions, tuneRows } from "./tune-matrix.ts";
import { decodeRows } from "./tuned-rows.ts";
import type { TuningTools } from "./tuning-tools.ts";

export interface AimedOptions extends TuneOptions {
  /** Blocks of rows, from the last rows of the matrix to the first. */
  readonly blocks: readonly RowBlock[];
}

/**
 * Tunes a matrix like `tuneMatrix`, but for the loss tr(M E H Eᵀ), which couples rows (RouterAim).
 * Blocks are tuned in turn. Each has a target that compensates best for the errors of the blocks
 * before it. Losses are relative to these targets; `squaredError` is relative to the weights.
 */
export async function tuneAimed(
  tools: TuningTools,
  weight: Weight,
  options: AimedOptions,
): Promise<readonly TunedSums[]> {
  const { kernel } = tools;
  const { rows, columns } = weight;
  const own: Matrix = { data: await toFloats(weight.bytes, weight.dtype, kernel), rows, columns };
  const zeros = newMatrix(rows, columns);
  const { squares: weightEnergy } = await kernel.run("subtract", { x: zeros, from: own });
  return Promise.all(
    options.widths.map(async (width) => {
      const sums = await tuneBlocks(tools, own, width, options);
      return { ...sums, weightEnergy };
    }),
  );
}

/** Tunes all blocks at one width. Stops at the first block with values that are not finite. */
async function tuneBlocks(
  tools: TuningTools,
  own: Matrix,
  width: Width,
  { blocks, hessian, sweeps, write }: AimedOptions,
): Promise<TunedSums> {
  const { kernel, storage: store } = tools;
  const { rows, columns } = own;
  const sums = noSums();
  const errors = newMatrix(rows, columns);
  for (const { start, end, compensation } of blocks) {
    const target = newMatrix(end - start, columns);
    target.data.set(rowsOf(own, start, end).data);
    if (compensation !== null)
      await cross(kernel, { x: compensation, y: rowsOf(errors, end, rows), sums: target });
    const weight = asWeight(target.data, columns);
    const tuned = await tuneRows(tools, { weight, start, hessian, width, sweeps });
    const { part, answer, release } = tuned;
    if (answer.nonFinite > 0) return { ...sums, nonFinite: answer.nonFinite };
    await write(part);
    const error = rowsOf(errors, start, end);
    error.data.set(await decodeRows(kernel, part, { columns, store }));
    const { squares } = await kernel.run("subtract", { x: error, from: rowsOf(own, start, end) });
    addSums(sums, { ...answer, squaredError: squares, weightEnergy: 0 });
    release();
  }
  return sums;
}
