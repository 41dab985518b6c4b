import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyIn, copyOut, copyRowsIn, copyRowsOut, Layout, memory } from "../arena.ts";
import { bytesOf, type Matrix } from "../matrix.ts";
import type { Routine } from "../routine.ts";
import { struct } from "../struct.ts";

/** Positions in the arena at once. */
const slab = 16;

/**
 * Fisher weights of groups of the vocabulary at every position: Σ p_v (1 - p_v) over the group's
 * tokens (fisher.rs).
 */
export interface FisherWeightsJob {
  /** `[positions, vocabulary]` */
  readonly logits: Matrix;
  /** Group of each token `[vocabulary]`. */
  readonly groups: Uint32Array<SharedArrayBuffer>;
  /** Overwritten: `[positions, groups]`. */
  readonly sums: Matrix;
}

export const FisherCall = struct({
  logits: "usize",
  rows: "usize",
  vocabulary: "usize",
  groups: "usize",
  sums: "usize",
  count: "usize",
});

export const fisherWeights: Routine<FisherWeightsJob, void> = {
  describe: ({ logits }) => `Fisher weights of ${logits.rows}x${logits.columns} logits`,
  check({ logits, groups, sums: out }, fail) {
    if (groups.length !== logits.columns)
      fail(`${groups.length} groups for ${logits.columns} tokens`);
    if (out.rows !== logits.rows)
      fail(`the output has ${out.rows} rows for ${logits.rows} positions`);
    if (groups.some((group) => group >= out.columns))
      fail("a group without a column in the output");
  },
  run({ logits, groups, sums: out }) {
    const layout = new Layout();
    const [rows, sums] = [
      layout.place(4 * slab * logits.columns),
      layout.place(4 * slab * out.columns),
    ];
    const numbers = layout.place(4 * groups.length);
    const atCall = layout.place(FisherCall.bytes);
    const base = layout.claim();
    const call = { logits: base + rows, groups: base + numbers, sums: base + sums };
    const sizes = { vocabulary: logits.columns, count: out.columns };
    copyIn(base + numbers, bytesOf(groups), 0, 4 * groups.length);
    for (let top = 0; top < logits.rows; top += slab) {
      const bottom = Math.min(logits.rows, top + slab);
      copyRowsIn(base + rows, logits, top, bottom);
      new Float32Array(memory.buffer, base + sums, slab * out.columns).fill(0);
      FisherCall.write(base + atCall, { ...call, ...sizes, rows: bottom - top });
      wasm.add_fisher_weights(base + atCall);
      copyRowsOut(base + sums, out, top, bottom);
    }
  },
};

/**
 * Weighted sums of hidden states for each token of the vocabulary: Σ over positions of
 * p_v (1 - p_v) · z.
 */
export interface ContextsJob {
  /** `[positions, vocabulary]` */
  readonly logits: Matrix;
  /** `[positions, width]` */
  readonly z: Matrix;
  /** Added to: `[vocabulary, width]`. */
  readonly contexts: Matrix;
}

export const ContextsCall = struct({
  logits: "usize",
  rows: "usize",
  vocabulary: "usize",
  z: "usize",
  width: "usize",
  contexts: "usize",
});

export const contexts: Routine<ContextsJob, void> = {
  describe: ({ logits }) => `contexts of ${logits.rows}x${logits.columns} logits`,
  check({ logits, z, contexts: out }, fail) {
    if (z.rows !== logits.rows) fail(`z has ${z.rows} rows for ${logits.rows} positions`);
    if (out.rows !== logits.columns || out.columns !== z.columns)
      fail(`the output is ${out.rows}x${out.columns}`);
  },
  run({ logits, z, contexts: out }) {
    const layout = new Layout();
    const [rows, places] = [
      layout.place(4 * slab * logits.columns),
      layout.place(4 * slab * z.columns),
    ];
    const sums = layout.place(4 * out.rows * out.columns);
    const atCall = layout.place(ContextsCall.bytes);
    const base = layout.claim();
    const call = { logits: base + rows, z: base + places, contexts: base + sums };
    const sizes = { vocabulary: logits.columns, width: z.columns };
    copyIn(base + sums, bytesOf(out.data), 0, 4 * out.data.length);
    for (let top = 0; top < logits.rows; top += slab) {
      const bottom = Math.min(logits.rows, top + slab);
      copyRowsIn(base + rows, logits, top, bottom);
      copyRowsIn(base + places, z, top, bottom);
      ContextsCall.write(base + atCall, { ...call, ...sizes, rows: bottom - top });
      wasm.add_contexts(base + atCall);
    }
    copyOut(base + sums, bytesOf(out.data), 0, 4 * out.data.length);
  },
};
