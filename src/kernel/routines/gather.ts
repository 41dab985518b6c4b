import { bytesOf, checkMatrix, checkRows, type Matrix } from "../matrix.ts";
import type { Routine } from "../routine.ts";

/** Row i of y = row `rows[i]` of x. */
export interface GatherJob {
  readonly x: Matrix;
  readonly rows: Uint32Array<SharedArrayBuffer>;
  /** Overwritten: `[rows.length, columns of x]`. */
  readonly y: Matrix;
}

/** Copies within host memory: no arithmetic, no arena. */
export const gather: Routine<GatherJob, void> = {
  describe: ({ x, rows }) => `${rows.length} rows of ${x.rows}x${x.columns}`,
  check({ x, rows, y }, fail) {
    checkMatrix("x", x, [x.rows, x.columns], fail);
    checkMatrix("y", y, [rows.length, x.columns], fail);
    checkRows(rows, x, fail);
  },
  run({ x, rows, y }) {
    const [from, to] = [x, y].map(({ data }) => {
      const { buffer, byteOffset, byteLength } = bytesOf(data);
      return Buffer.from(buffer, byteOffset, byteLength);
    }) as [Buffer, Buffer];
    const bytes = 4 * x.columns;
    for (let i = 0; i < rows.length; i++)
      from.copy(to, i * bytes, rows[i]! * bytes, (rows[i]! + 1) * bytes);
  },
};
