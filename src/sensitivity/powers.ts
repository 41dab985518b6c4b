import { total } from "../ground/sum.ts";
import { type Matrix, newMatrix, rowsOf } from "../kernel/matrix.ts";
import type { Ops } from "../models/ops.ts";

/** Σ x² over all elements. */
export function powerOf(ops: Ops, x: Matrix): Promise<number> {
  return squaredDistance(ops, x, newMatrix(x.rows, x.columns));
}

/** Σ (x - y)² over all elements. */
export async function squaredDistance(ops: Ops, x: Matrix, y: Matrix): Promise<number> {
  return total(await squaredDistances(ops, x, y));
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
