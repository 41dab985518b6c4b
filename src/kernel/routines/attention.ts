import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyIn, copyRowsIn, copyRowsOut, Layout } from "../arena.ts";
import type { Floats } from "../matrix.ts";
import { bytesOf, checkMatrix, type Matrix } from "../matrix.ts";
import type { Fail, Routine } from "../routine.ts";
import { struct } from "../struct.ts";

/** Everything attention needs besides queries, keys and values. */
export interface Heads {
  /** Query heads. */
  readonly queries: number;
  /** Key and value heads. Each serves queries / keys consecutive query heads. */
  readonly keys: number;
  /** Channels of a query or key head. */
  readonly size: number;
  /** Channels of a value head. */
  readonly valueSize: number;
  /**
   * `[size]` each: weights of an RMS norm over each head of queries and of keys, before the
   * rotation.
   */
  readonly norms: { readonly query: Floats; readonly key: Floats; readonly eps: number } | null;
  /** Rotates queries and keys. */
  readonly rotary: Rotary | null;
  /** Factor of the scores. Null: 1 / √size. */
  readonly scale: number | null;
  /** A token sees this many tokens, itself included (a sliding window). Null: its whole past. */
  readonly window: number | null;
  /** c: a scaled score s becomes c · tanh(s / c), as in Gemma 2. Null: scores stay as they are. */
  readonly softcap: number | null;
  /**
   * One logit a query head, `[queries]`, as in gpt-oss. The softmax counts it as one more key whose
   * value is 0. It is neither scaled nor capped.
   */
  readonly sinks: Floats | null;
  /**
   * Each query head is followed by `valueSize` logits, whose sigmoids scale the head's output
   * (Qwen3-Next): q is `[tokens, queries · (size + valueSize)]`.
   */
  readonly gated: boolean;
}

/** Columns of q. */
function queryColumns({ queries, size, valueSize, gated }: Heads): number {
  return queries * (size + (gated ? valueSize : 0));
}

/** Rotates the first `part` channels of each head in pairs (i, i + part / 2). */
export interface Rotary {
  /** An even number up to the head's size; less for a partial rotation. */
  readonly part: number;
  /** `[at least a sequence's tokens, part / 2]` */
  readonly cosines: Floats;
  /** As `cosines`. */
  readonly sines: Floats;
}

/** The options of plain attention. */
export const plainHeads = {
  norms: null,
  rotary: null,
  scale: null,
  window: null,
  softcap: null,
  sinks: null,
  gated: false,
} satisfies Partial<Heads>;

/** Causal self-attention within whole sequences, between its projections. */
export interface AttentionJob {
  /** `[tokens, queries · size]`, or wider if the heads are gated */
  readonly q: Matrix;
  /** `[tokens, keys · size]` */
  readonly k: Matrix;
  /** `[tokens, keys · valueSize]` */
  readonly v: Matrix;
  /** Tokens of a sequence; the rows are whole sequences. */
  readonly length: number;
  readonly heads: Heads;
  /** Overwritten: `[tokens, queries · valueSize]`. Not the memory of q, k or v. */
  readonly y: Matrix;
}

export const AttentionCall = struct({
  tokens: "usize",
  queries: "usize",
  keys: "usize",
  size: "usize",
  valueSize: "usize",
  queryNorm: "usize",
  keyNorm: "usize",
  eps: "f32",
  cosines: "usize",
  sines: "usize",
  rotaryPart: "usize",
  scale: "f32",
  window: "usize",
  softcap: "f32",
  sinks: "usize",
  gated: "usize",
  q: "usize",
  k: "usize",
  v: "usize",
  y: "usize",
});

export const attention: Routine<AttentionJob, void> = {
  describe: ({ q, heads }) =>
    `attention of ${heads.queries}/${heads.keys} heads over ${q.rows} tokens`,
  check({ q, k, v, length, heads, y }, fail) {
    const { queries, keys, size, valueSize } = heads;
    if (queries % keys !== 0) fail(`${queries} query heads on ${keys} key heads`);
    if (length < 1 || q.rows % length !== 0) fail(`${q.rows} tokens in sequences of ${length}`);
    for (const [name, matrix, columns] of [
      ["q", q, queryColumns(heads)],
      ["k", k, keys * size],
      ["v", v, keys * valueSize],
      ["y", y, queries * valueSize],
    ] as const) {
      checkMatrix(name, matrix, [q.rows, columns], fail);
    }
    checkOptions(heads, length, fail);
  },
  run({ q, k, v, length, heads, y }) {
    const layout = new Layout();
    const atCall = layout.place(AttentionCall.bytes);
    const tables = placeTables(heads, length, layout);
    const places = [q, k, v, y].map(({ columns }) => layout.place(4 * length * columns));
    const base = layout.claim();
    const [atQ, atK, atV, atY] = places.map((offset) => base + offset) as Four;
    for (const { table, bytes, offset } of tables) {
      if (table) copyIn(base + offset, bytesOf(table), 0, bytes);
    }
    const [queryNorm, keyNorm, cosines, sines, sinks] = tables.map(({ table, offset }) =>
      table ? base + offset : 0,
    ) as Five;
    AttentionCall.write(base + atCall, {
      tokens: length,
      queries: heads.queries,
      keys: heads.keys,
      size: heads.size,
      valueSize: heads.valueSize,
      queryNorm,
      keyNorm,
      eps: heads.norms?.eps ?? 0,
      cosines,
      sines,
      rotaryPart: heads.rotary?.part ?? 0,
      scale: heads.scale ?? 0,
      window: heads.window ?? 0,
      softcap: heads.softcap ?? 0,
      sinks,
      gated: heads.gated ? 1 : 0,
      q: atQ,
      k: atK,
      v: atV,
      y: atY,
    });
    for (let top = 0; top < q.rows; top += length) {
      const bottom = top + length;
      copyRowsIn(atQ, q, top, bottom);
      copyRowsIn(atK, k, top, bottom);
      copyRowsIn(atV, v, top, bottom);
      wasm.attend(base + atCall);
      copyRowsOut(atY, y, top, bottom);
    }
  },
};

type Four = [number, number, number, number];
type Five = [...Four, number];

/** The norms, rotary tables and sinks of a sequence, those that a model has. */
function placeTables({ size, queries, norms, rotary, sinks }: Heads, length: number, to: Layout) {
  const angles = (length * (rotary?.part ?? 0)) / 2;
  const tables = [
    [norms?.query, size],
    [norms?.key, size],
    [rotary?.cosines, angles],
    [rotary?.sines, angles],
    [sinks, queries],
  ] as const;
  return tables.map(([table, count]) => ({
    table: table ?? null,
    bytes: 4 * count,
    offset: to.place(table ? 4 * count : 0),
  }));
}

function checkOptions(heads: Heads, length: number, fail: Fail): void {
  const { queries, size, norms, rotary, scale, window, softcap, sinks } = heads;
  if (norms && (norms.query.length !== size || norms.key.length !== size))
    fail(
      `head norms of ${norms.query.length} and ${norms.key.length} weights for heads of ${size}`,
    );
  for (const [name, value] of [
    ["scale", scale],
    ["softcap", softcap],
  ] as const) {
    if (value !== null && !(value > 0 && Number.isFinite(value))) fail(`a ${name} of ${value}`);
  }
  if (window !== null && !(Number.isSafeInteger(window) && window > 0))
    fail(`a window of ${window} tokens`);
  if (sinks && sinks.length !== queries) fail(`${sinks.length} sinks for ${queries} query heads`);
  if (rotary === null) return;
  const { part, cosines, sines } = rotary;
  if (!(part > 0 && part <= size && part % 2 === 0))
    fail(`${part} of ${size} channels cannot be rotated`);
  for (const table of [cosines, sines]) {
    if (table.length < (length * part) / 2) fail(`a rotary table of ${table.length} angles`);
  }
}
