import { type Matrix, newMatrix, rowsOf } from "../kernel/matrix.ts";
import type { Ops } from "../models/ops.ts";

/** Σ x² of each row. */
export function rowPowers(ops: Ops, x: Matrix): Promise<Float64Array> {
  return squaredDistances(ops, x, newMatrix(x.rows, x.columns));
}

/** Σ (x - y)² of each row. */
export async function squaredDistances(ops: Ops, x: Matrix, y: Matrix): Promise<Float64Array> {
  const out = new Float64Array(new SharedArrayBuffer(8 * x.rows));
  await ops.shareOut(x.rows, (start, end) =>
    ops.kernel.run("distances", {
      x: rowsOf(x, start, end),
      y: rowsOf(y, start, end),
      out: out.subarray(start, end),
    }),
  );
  return out;
}
