import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyRectangleIn, copyRectangleOut, Layout } from "../arena.ts";
import type { Matrix } from "../matrix.ts";
import type { Routine } from "../routine.ts";

/** Adds alpha·XᵀX to some rows of a Gram matrix's upper triangle. */
export interface GramJob {
  /** `[tokens, d]` */
  readonly x: Matrix;
  /** The tokens that count, in order; null: all of them. */
  readonly rows: Uint32Array<SharedArrayBuffer> | null;
  /** Float32 `[d, d]`, row-major. Nothing below the diagonal is touched. */
  readonly gram: Float32Array<SharedArrayBuffer>;
  /** Rows `[from, to)` of `gram`. */
  readonly from: number;
  readonly to: number;
  readonly alpha: number;
}

/** Most float32 in the arena for tokens. */
const mostOfX = 4 * 2 ** 20;
/** Tokens come in slabs of whole blocks of the product's depth (`DEPTH` in gemm.rs), so that slabs do not show in a sum's bits. */
const depth = 256;

export const gram: Routine<GramJob, void> = {
  describe: ({ x, rows }) => `gram of ${rows?.length ?? x.rows}x${x.columns}`,
  check({ x, rows, gram, from, to }, fail) {
    const d = x.columns;
    if (x.data.length !== x.rows * d) fail(`x has ${x.data.length} elements`);
    if (gram.length !== d * d) fail(`the gram has ${gram.length} elements`);
    if (!(Number.isInteger(from) && Number.isInteger(to) && 0 <= from && from < to && to <= d)) {
      fail(`rows ${from} to ${to}`);
    }
    if (rows?.some((row) => row >= x.rows)) fail(`a row outside of the ${x.rows} of x`);
  },
  run({ x, rows, gram, from, to, alpha }) {
    const d = x.columns;
    const [tokens, width] = [rows?.length ?? x.rows, d - from];
    const slab = Math.min(tokens, Math.max(1, Math.floor(mostOfX / width / depth)) * depth);
    const layout = new Layout();
    const [atX, atGram] = [layout.place(4 * slab * width), layout.place(4 * (to - from) * width)];
    const base = layout.claim();
    const panel = { data: gram, columns: d, top: from, bottom: to, left: from, right: d };
    copyRectangleIn(base + atGram, panel);
    for (let top = 0; top < tokens; top += slab) {
      const bottom = Math.min(tokens, top + slab);
      copyRectangleIn(base + atX, { ...x, rows, top, bottom, left: from, right: d });
      wasm.gram(base + atX, bottom - top, width, alpha, to - from, base + atGram);
    }
    copyRectangleOut(base + atGram, panel, true);
  },
};
