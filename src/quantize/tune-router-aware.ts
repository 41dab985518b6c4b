import { cross } from "../kernel/grams.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import {
  asWeight,
  clear,
  type Matrix,
  newMatrix,
  rowsOf,
  type Weight,
  weightRows,
} from "../kernel/matrix.ts";
import { toFloats } from "../kernel/to-floats.ts";
import type { RowBlock } from "./router-directions.ts";
import { type TargetRows, type TuneOptions, tuneTargets } from "./tune-matrix.ts";
import { decodeRows, type TunedRows } from "./tuned-rows.ts";
import { addSums, noSums, type TunedSums } from "./tuned-sums.ts";
import type { TuningTools } from "./tuning-tools.ts";

export interface RouterAwareOptions extends TuneOptions {
  /** Blocks of rows, from the last rows of the matrix to the first. */
  readonly blocks: readonly RowBlock[];
}

/**
 * Tunes a matrix like `tuneMatrix`, but for the loss tr(M E H Eᵀ), which couples rows (RouterDirections).
 * Blocks are tuned in turn. Each has a target that compensates best for the errors of the blocks
 * before it. Losses are relative to these targets; `squaredError` is relative to the weights.
 */
export async function tuneRouterAware(
  tools: TuningTools,
  weight: Weight,
  { blocks, write, ...options }: RouterAwareOptions,
): Promise<readonly TunedSums[]> {
  const { kernel, storage: store } = tools;
  const { rows, columns } = weight;
  const { widths } = options;
  const own: Matrix = { data: await toFloats(weight.bytes, weight.dtype, kernel), rows, columns };
  const errors = widths.map(() => newMatrix(rows, columns));
  const { squares: weightEnergy } = await kernel.run("subtract", { x: errors[0]!, from: own });
  clear(errors[0]!);
  const sums = widths.map(() => ({ ...noSums(), weightEnergy }));
  for (const block of blocks) {
    const targets = await Promise.all(errors.map((done) => targetOf(kernel, own, block, done)));
    const read: TargetRows["read"] = async (start, end) =>
      targets.map((target) => weightRows(target, start, end));
    const height = block.end - block.start;
    const matrix = { rows: height, columns, count: widths.length, read };
    const writePart = async (part: TunedRows) => {
      const start = block.start + part.start;
      await write({ ...part, start });
      const error = rowsOf(errors[widths.indexOf(part.width)]!, start, start + part.rows);
      error.data.set(await decodeRows(kernel, part, { columns, store }));
    };
    const results = await tuneTargets(tools, matrix, { ...options, write: writePart });
    for (const [i, result] of results.entries()) {
      if (result.nonFinite > 0)
        return sums.map((sum, i) => ({ ...sum, nonFinite: results[i]!.nonFinite }));
      const x = rowsOf(errors[i]!, block.start, block.end);
      const { squares } = await kernel.run("subtract", {
        x,
        from: rowsOf(own, block.start, block.end),
      });
      addSums(sums[i]!, { ...result, squaredError: squares, weightEnergy: 0 });
    }
  }
  return sums;
}

/** A block's rows, compensated for the errors of the blocks after it. */
async function targetOf(
  kernel: Kernel,
  own: Matrix,
  { start, end, compensation }: RowBlock,
  errors: Matrix,
): Promise<Weight> {
  const { rows, columns } = own;
  const target = newMatrix(end - start, columns);
  target.data.set(rowsOf(own, start, end).data);
  if (compensation !== null)
    await cross(kernel, { x: compensation, y: rowsOf(errors, end, rows), sums: target });
  return asWeight(target.data, columns);
}
