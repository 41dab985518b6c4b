import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyIn, copyOut, Layout } from "../arena.ts";
import type { Matrix } from "../matrix.ts";
import type { Routine } from "../routine.ts";
import { struct } from "../struct.ts";

/** Compares the next-token distributions of two models, position by position. */
export interface CompareJob {
  /** Logits `[positions, vocabulary]`. */
  readonly base: Matrix;
  readonly model: Matrix;
  /** The token that follows each position. */
  readonly next: Uint32Array<SharedArrayBuffer>;
  /**
   * Overwritten, `[positions, 4]` in float64 over the full vocabulary: KL(base ‖ model) in nats;
   * log-probability of the next token under the base, then under the model; 1 where both rank the
   * same token first.
   */
  readonly out: Float64Array<SharedArrayBuffer>;
}

/** Positions in the arena at once: two rows of logits each. */
const slab = 16;

export const CompareCall = struct({
  base: "usize",
  model: "usize",
  next: "usize",
  rows: "usize",
  vocabulary: "usize",
  out: "usize",
});

export const compare: Routine<CompareJob, void> = {
  describe: ({ base }) => `comparison of ${base.rows}x${base.columns} logits`,
  check({ base, model, next, out }, fail) {
    if (model.rows !== base.rows || model.columns !== base.columns)
      fail(`the model has ${model.rows}x${model.columns}`);
    if (next.length !== base.rows) fail(`${next.length} next tokens`);
    if (next.some((token) => token >= base.columns)) fail("a next token outside the vocabulary");
    if (out.length !== 4 * base.rows) fail(`${out.length} results for ${base.rows} positions`);
  },
  run({ base, model, next, out }) {
    const { rows, columns } = base;
    const layout = new Layout();
    const [first, second] = [layout.place(slab * columns * 4), layout.place(slab * columns * 4)];
    const [tokens, results] = [layout.place(slab * 4), layout.place(slab * 32)];
    const atCall = layout.place(CompareCall.bytes);
    const at = layout.claim();
    const call = { base: at + first, model: at + second, next: at + tokens, out: at + results };
    const bytes = (array: Float32Array | Uint32Array | Float64Array) =>
      new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    for (let start = 0; start < rows; start += slab) {
      const end = Math.min(rows, start + slab);
      copyIn(at + first, bytes(base.data), start * columns * 4, end * columns * 4);
      copyIn(at + second, bytes(model.data), start * columns * 4, end * columns * 4);
      copyIn(at + tokens, bytes(next), start * 4, end * 4);
      CompareCall.write(at + atCall, { ...call, rows: end - start, vocabulary: columns });
      wasm.compare(at + atCall);
      copyOut(at + results, bytes(out), start * 32, end * 32);
    }
  },
};
