import { cross } from "../kernel/grams.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { bytesOf, type Matrix, newMatrix, rowsOf, type Weight } from "../kernel/matrix.ts";
import { toFloats } from "../kernel/to-floats.ts";
import type { Width } from "../kernel/width.ts";
import type { Hessian } from "./hessian.ts";
import type { RowBlock } from "./router-aim.ts";
import { addSums, noSums, type TunedSums, type TuneOptions, tuneRows } from "./tune-matrix.ts";
import type { TunedRows } from "./tuned-rows.ts";

/**
 * As `tuneMatrix`, for a loss tr(M E H Eᵀ) that couples the rows: block after block, each tuned towards the target at which it makes up best for the
 * errors of those before it. Losses are against these targets, the weights' own error against the weights.
 */
export async function tuneAimed(
  kernel: Kernel,
  weight: Weight,
  blocks: readonly RowBlock[],
  hessian: Hessian | null,
  widths: readonly Width[],
  options: TuneOptions,
  write: (part: TunedRows) => Promise<void>,
): Promise<readonly TunedSums[]> {
  const { rows, columns } = weight;
  const own: Matrix = { data: await toFloats(weight.bytes, weight.dtype, kernel), rows, columns };
  const { squares: weightEnergy } = await kernel.run("subtract", {
    x: newMatrix(rows, columns),
    from: own,
  });
  return Promise.all(
    widths.map(async (width) => {
      const sums = noSums();
      const errors = newMatrix(rows, columns);
      for (const { start, end, carry } of blocks) {
        const target = newMatrix(end - start, columns);
        target.data.set(rowsOf(own, start, end).data);
        if (carry !== null) await cross(kernel, carry, rowsOf(errors, end, rows), target);
        const piece = { weights: bytesOf(target.data), start, rows: end - start };
        const { part, answer, release } = await tuneRows(
          kernel,
          { columns, dtype: "F32" },
          piece,
          hessian,
          width,
          options,
        );
        if (answer.nonFinite > 0) return { ...sums, nonFinite: answer.nonFinite };
        await write(part);
        const { words, scales, biases } = part;
        const packed = {
          words,
          scales,
          biases,
          store: options.store,
          rows: end - start,
          columns,
          ...width,
        };
        const made = rowsOf(errors, start, end);
        made.data.set(await kernel.dequantize(packed));
        const { squares } = await kernel.run("subtract", {
          x: made,
          from: rowsOf(own, start, end),
        });
        addSums(sums, { ...answer, squaredError: squares, weightEnergy: 0 });
        release();
      }
      return { ...sums, weightEnergy };
    }),
  );
}
