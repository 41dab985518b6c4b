import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyIn, dtypeCode, Layout, scatterRows } from "../arena.ts";
import { bytesPerElement } from "../dtype.ts";
import { checkMatrix, type Matrix, type Weight } from "../matrix.ts";
import type { Routine } from "../routine.ts";

/** Looks up token ids in a part of an embedding table. */
export interface EmbedJob {
  /** Rows `[first, first + rows)` of the whole table. */
  readonly table: Weight;
  readonly first: number;
  readonly ids: Uint32Array<SharedArrayBuffer>;
  /** Row i is overwritten if `ids[i]` lies in this part. */
  readonly y: Matrix;
}

export const embed: Routine<EmbedJob, void> = {
  describe: ({ table, ids }) => `${ids.length} tokens in ${table.rows}x${table.columns} embeddings`,
  check({ table, ids, y }, fail) {
    checkMatrix("y", y, [ids.length, table.columns], fail);
    if (!(table.dtype in dtypeCode)) fail(`${table.dtype} is not a float dtype`);
    if (table.bytes.length !== table.rows * table.columns * bytesPerElement[table.dtype]!) {
      fail(`the table has ${table.bytes.length} bytes`);
    }
  },
  run({ table, first, ids, y }) {
    const { columns, dtype, bytes, rows } = table;
    const rowBytes = columns * bytesPerElement[dtype]!;
    const layout = new Layout();
    const [atRow, atWide] = [layout.place(rowBytes), layout.place(4 * columns)];
    const base = layout.claim();
    for (let i = 0; i < ids.length; i++) {
      const row = ids[i]! - first;
      if (row < 0 || row >= rows) continue;
      copyIn(base + atRow, bytes, row * rowBytes, (row + 1) * rowBytes);
      wasm.widen(base + atRow, dtypeCode[dtype], columns, base + atWide);
      scatterRows(base + atWide, y, [i]);
    }
  },
};
