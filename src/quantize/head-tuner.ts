import { scramble } from "../calibration/random.ts";
import { bytesPerElement, type FloatDtype } from "../kernel/dtype.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import type { Leases } from "../kernel/lease.ts";
import {
  type Matrix,
  newMatrix,
  rowsOf,
  sharedBytes,
  sharedIntegers,
  type Weight,
} from "../kernel/matrix.ts";
import type { Width } from "../kernel/width.ts";
import type { Ops } from "../models/ops.ts";
import { collect, type Hessian, makeHessian, newGram } from "./hessian.ts";
import { addSums, noSums, type TunedSums, tuneMatrix } from "./tune-matrix.ts";
import type { TunedRows } from "./tuned-rows.ts";
import type { TuningSettings } from "./tuning-settings.ts";

/**
 * The head is tuned for what its logits are for. To second order KL = ½ Var_p(error of the logits), so the error of token v's row counts
 * at a position as p_v (1 - p_v): only text in which v is likely says what its row must get right. Rows whose tokens are likely in the
 * same contexts share one Hessian, Σ over positions of (Σ of the group's p_v (1 - p_v)) x xᵀ, shrunk towards that of all of them.
 */

/** Positions whose logits are in memory at once. */
const positionsAtOnce = 512;
/** Positions that say where a token is likely: enough to tell contexts apart. */
const contextPositions = 8192;
/** Directions that contexts are compared in: random signs keep angles (Achlioptas 2003). */
const contextWidth = 64;
/** Rounds of k-means; the groups need not be the best. */
const rounds = 10;
/** Rows that make a Hessian of their own worth its factor. */
const rowsPerGroup = 64;

/** What tuning a head needs of a walk. */
export interface HeadRequest {
  readonly request: {
    readonly kernel: Kernel;
    readonly settings: TuningSettings;
    readonly storage: FloatDtype;
  };
  readonly ops: Ops;
  readonly hessianBuffers: Leases;
  readonly resultBuffers: Leases;
}

export interface HeadResult {
  /** Whole matrix, one per width. */
  readonly parts: readonly TunedRows[];
  readonly sums: readonly TunedSums[];
  /** The worst Hessian of all groups, for the record. */
  readonly hessian: Hessian;
}

/** `x [positions, hidden]` is what the head multiplies. */
export async function tuneHeadRows(
  { request, ops, hessianBuffers, resultBuffers }: HeadRequest,
  head: Weight,
  x: Matrix,
  widths: readonly Width[],
): Promise<HeadResult> {
  const { kernel, settings, storage: store } = request;
  const count = Math.max(1, Math.min(settings.headGroups, Math.floor(head.rows / rowsPerGroup)));
  const labels = await groupRows(ops, head, x, count);
  const stakes = await stakesOf(ops, head, x, labels, count);
  const all = newGram(hessianBuffers, x.columns);
  const weighed = newMatrix(x.rows, x.columns);
  await kernel.run("weigh", { x, weights: stakes, kind: null, y: weighed });
  await collect(kernel, all, weighed);
  const pair = bytesPerElement[store]!;
  const parts = widths.map((width): TunedRows => {
    const pairs = (head.rows * head.columns * pair) / width.groupSize;
    const words = sharedBytes((head.rows * head.columns * width.bits) / 8);
    return {
      width,
      start: 0,
      rows: head.rows,
      words,
      scales: sharedBytes(pairs),
      biases: sharedBytes(pairs),
    };
  });
  const total = widths.map(noSums);
  let worst: Hessian | null = null;
  for (let kind = 0; kind < count; kind++) {
    const rows = [...labels.keys()].filter((row) => labels[row] === kind);
    if (rows.length === 0) continue;
    const { sum, squares } = await kernel.run("weigh", { x, weights: stakes, kind, y: weighed });
    const gram = newGram(hessianBuffers, x.columns);
    await collect(kernel, gram, weighed);
    // As many tokens as equal weights of the same unevenness would stand for.
    gram.tokens = squares > 0 ? (sum * sum) / squares : 0;
    const shrinkage = { target: all, strength: settings.pooledStrength };
    const hessian = await makeHessian(kernel, hessianBuffers, gram, shrinkage, settings.curvature);
    gram.release();
    const own = gather(head, rows);
    const read = async (start: number, end: number) =>
      own.subarray(start * rowBytes(head), end * rowBytes(head));
    const options = { store, sweeps: settings.sweeps, buffers: resultBuffers };
    const matrix = { rows: rows.length, columns: head.columns, dtype: head.dtype, read };
    const sums = await tuneMatrix(kernel, matrix, hessian, widths, options, async (part) => {
      scatter(part, parts[widths.indexOf(part.width)]!, rows);
    });
    for (const [i, sum] of sums.entries()) addSums(total[i]!, sum);
    if (worst === null || hessian.damping > worst.damping) worst = hessian;
    hessian.release();
  }
  all.release();
  return { parts, sums: total, hessian: worst! };
}

/** Groups the head's rows by the contexts in which their tokens are likely. */
async function groupRows(
  ops: Ops,
  head: Weight,
  x: Matrix,
  count: number,
): Promise<Uint32Array<SharedArrayBuffer>> {
  const labels = sharedIntegers(head.rows);
  if (count === 1) return labels;
  const contexts = newMatrix(head.rows, contextWidth);
  const signs = randomSigns(contextWidth, x.columns);
  const stride = Math.max(1, Math.ceil(x.rows / contextPositions));
  const sample = sharedIntegers(Math.floor(x.rows / stride));
  for (let i = 0; i < sample.length; i++) sample[i] = i * stride;
  for (let start = 0; start < sample.length; start += positionsAtOnce) {
    const some = await ops.gather(
      x,
      sample.subarray(start, Math.min(sample.length, start + positionsAtOnce)),
    );
    const [logits, z] = await Promise.all([ops.linear(some, head), ops.linear(some, signs)]);
    await ops.kernel.run("contexts", { logits, z, contexts });
  }
  await ops.kernel.run("cluster", { points: contexts, groups: count, rounds, labels });
  return labels;
}

/** `[positions, groups]` */
async function stakesOf(
  ops: Ops,
  head: Weight,
  x: Matrix,
  groups: Uint32Array<SharedArrayBuffer>,
  count: number,
): Promise<Matrix> {
  const stakes = newMatrix(x.rows, count);
  for (let start = 0; start < x.rows; start += positionsAtOnce) {
    const end = Math.min(x.rows, start + positionsAtOnce);
    const logits = await ops.linear(rowsOf(x, start, end), head);
    await ops.shareOut(end - start, (from, to) =>
      ops.kernel.run("stakes", {
        logits: rowsOf(logits, from, to),
        groups,
        stakes: rowsOf(stakes, start + from, start + to),
      }),
    );
  }
  return stakes;
}

/** ±1 from a hash of the place: the same everywhere. */
function randomSigns(rows: number, columns: number): Weight {
  const bytes = sharedBytes(4 * rows * columns);
  const values = new Float32Array(bytes.buffer);
  for (let i = 0; i < values.length; i++) {
    values[i] = (scramble(Math.imul(i + 1, 0x9e3779b9)) & 1) === 0 ? 1 : -1;
  }
  return { bytes, dtype: "F32", rows, columns };
}

function rowBytes({ columns, dtype }: { columns: number; dtype: FloatDtype }): number {
  return columns * bytesPerElement[dtype]!;
}

function gather(head: Weight, rows: readonly number[]): Uint8Array<SharedArrayBuffer> {
  const size = rowBytes(head);
  const own = sharedBytes(rows.length * size);
  for (const [i, row] of rows.entries())
    own.set(head.bytes.subarray(row * size, (row + 1) * size), i * size);
  return own;
}

/** Rows of a group to their places in the whole. */
function scatter(part: TunedRows, whole: TunedRows, rows: readonly number[]): void {
  for (const name of ["words", "scales", "biases"] as const) {
    const size = part[name].length / part.rows;
    for (let i = 0; i < part.rows; i++) {
      whole[name].set(part[name].subarray(i * size, (i + 1) * size), rows[part.start + i]! * size);
    }
  }
}
