import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyIn, copyRowsIn, copyRowsOut, Layout } from "../arena.ts";
import { bytesOf, checkMatrix, type Matrix } from "../matrix.ts";
import type { Routine } from "../routine.ts";

type Floats = Float32Array<SharedArrayBuffer>;

/** What attention needs to know besides queries, keys and values. */
export interface Heads {
  readonly queries: number;
  /** Key heads; each serves queries / keys consecutive query heads. */
  readonly keys: number;
  /** Channels of a head. */
  readonly size: number;
  /** `[size]` each: weights of a norm over each head of queries and of keys, before they are rotated. */
  readonly norms: { readonly query: Floats; readonly key: Floats; readonly eps: number } | null;
  /** `[at least a sequence's tokens, size / 2]` each. */
  readonly rotary: { readonly cosines: Floats; readonly sines: Floats } | null;
}

/** Causal self-attention within whole sequences, between its projections. */
export interface AttentionJob {
  /** `[tokens, queries · size]` */
  readonly q: Matrix;
  /** `[tokens, keys · size]` each. */
  readonly k: Matrix;
  readonly v: Matrix;
  /** Tokens of a sequence; the rows are whole sequences. */
  readonly length: number;
  readonly heads: Heads;
  /** Overwritten: as q, and not q itself. */
  readonly y: Matrix;
}

export const attention: Routine<AttentionJob, void> = {
  describe: ({ q, heads }) =>
    `attention of ${heads.queries}/${heads.keys} heads over ${q.rows} tokens`,
  check({ q, k, v, length, heads, y }, fail) {
    const { queries, keys, size, norms, rotary } = heads;
    if (queries % keys !== 0) fail(`${queries} query heads on ${keys} key heads`);
    if (length < 1 || q.rows % length !== 0) fail(`${q.rows} tokens in sequences of ${length}`);
    for (const [name, matrix, count] of [
      ["q", q, queries],
      ["k", k, keys],
      ["v", v, keys],
      ["y", y, queries],
    ] as const) {
      checkMatrix(name, matrix, q.rows, count * size, fail);
    }
    if (norms && (norms.query.length !== size || norms.key.length !== size))
      fail("a head norm of another width");
    if (rotary === null) return;
    if (size % 2 !== 0) fail(`heads of ${size} channels cannot be rotated`);
    for (const table of [rotary.cosines, rotary.sines]) {
      if (table.length < (length * size) / 2) fail(`a rotary table of ${table.length}`);
    }
  },
  run({ q, k, v, length, heads, y }) {
    const { queries, keys, size, norms, rotary } = heads;
    const [wide, narrow] = [queries * size, keys * size];
    const layout = new Layout();
    const tables = [norms?.query, norms?.key, rotary?.cosines, rotary?.sines].map((table, i) => {
      if (table === undefined) return null;
      const bytes = i < 2 ? 4 * size : 2 * length * size;
      return { table, bytes, offset: layout.place(bytes) };
    });
    const [atQ, atK] = [layout.place(4 * length * wide), layout.place(4 * length * narrow)];
    const [atV, atY] = [layout.place(4 * length * narrow), layout.place(4 * length * wide)];
    const base = layout.claim();
    const [query, key, cosines, sines] = tables.map((one) =>
      one === null ? 0 : base + one.offset,
    );
    for (const one of tables)
      if (one !== null) copyIn(base + one.offset, bytesOf(one.table), 0, one.bytes);
    const sizes = [length, queries, keys, size] as const;
    for (let top = 0; top < q.rows; top += length) {
      const bottom = top + length;
      copyRowsIn(base + atQ, q, top, bottom);
      copyRowsIn(base + atK, k, top, bottom);
      copyRowsIn(base + atV, v, top, bottom);
      const operands = [base + atQ, base + atK, base + atV, base + atY] as const;
      wasm.attend(...sizes, query!, key!, norms?.eps ?? 0, cosines!, sines!, ...operands);
      copyRowsOut(base + atY, y, top, bottom);
    }
  },
};
