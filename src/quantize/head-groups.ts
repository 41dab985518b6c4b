import { scramble } from "../calibration/random.ts";
import {
  type Matrix,
  newMatrix,
  rowsOf,
  sharedBytes,
  sharedIntegers,
  type Weight,
} from "../kernel/matrix.ts";
import type { Ops } from "../models/ops.ts";

/** Positions whose logits are in memory at once. */
export const positionsAtOnce = 256;
/** Positions used to find where a token is likely. They are enough to distinguish contexts. */
export const contextPositions = 8192;
/** The same where only the head's cost is wanted: the groups have to be alike, not the same. */
export const fewContexts = 2048;
/** Directions that contexts are compared in. Random signs preserve angles (Achlioptas 2003). */
export const contextWidth = 64;
/** Rounds of k-means. The groups do not have to be optimal. */
const rounds = 10;

/** Groups of the head's rows. */
export interface HeadGroups {
  readonly count: number;
  /** Group of each row, below `count`. */
  readonly labels: Uint32Array<SharedArrayBuffer>;
}

export interface GroupOptions {
  readonly count: number;
  /** Overwritten: memory for the logits of `positionsAtOnce` positions, or of all. */
  readonly logits: Matrix;
  /** Positions that rows are grouped by, at most. */
  readonly positions?: number | undefined;
}

/**
 * Groups the rows of a head `[vocabulary, hidden]` by the contexts in which their tokens are
 * likely. `x [positions, hidden]` is the input of the head.
 */
export async function groupRows(
  ops: Ops,
  head: Weight,
  x: Matrix,
  { count, logits, positions = contextPositions }: GroupOptions,
): Promise<HeadGroups> {
  const labels = sharedIntegers(head.rows);
  if (count === 1) return { count, labels };
  const contexts = newMatrix(head.rows, contextWidth);
  const signs = randomSigns(contextWidth, x.columns);
  const sample = sampleOf(x.rows, positions);
  for (let start = 0; start < sample.length; start += positionsAtOnce) {
    const end = Math.min(sample.length, start + positionsAtOnce);
    const some = await ops.gather(x, sample.subarray(start, end));
    const own = rowsOf(logits, 0, end - start);
    const [z] = await Promise.all([ops.linear(some, signs), ops.linearByOutputs(some, head, own)]);
    await ops.kernel.run("contexts", { logits: own, z, contexts });
  }
  await ops.kernel.run("cluster", { points: contexts, groups: count, rounds, labels });
  return { count, labels };
}

/** Evenly spaced positions, `most` at most. */
function sampleOf(positions: number, most: number): Uint32Array<SharedArrayBuffer> {
  const stride = Math.max(1, Math.ceil(positions / most));
  const sample = sharedIntegers(Math.floor(positions / stride));
  for (let i = 0; i < sample.length; i++) sample[i] = i * stride;
  return sample;
}

/**
 * Fisher weights of every group at every position: Σ p_v (1 - p_v), `[positions, groups]`.
 * `logits` as in GroupOptions.
 */
export async function fisherWeights(
  ops: Ops,
  head: Weight,
  x: Matrix,
  {
    groups: { count, labels: groups },
    logits,
  }: { readonly groups: HeadGroups; readonly logits: Matrix },
): Promise<Matrix> {
  const fisher = newMatrix(x.rows, count);
  for (let start = 0; start < x.rows; start += positionsAtOnce) {
    const end = Math.min(x.rows, start + positionsAtOnce);
    await ops.linearByOutputs(rowsOf(x, start, end), head, rowsOf(logits, 0, end - start));
    await ops.shareOut(end - start, (from, to) =>
      ops.kernel.run("fisherWeights", {
        logits: rowsOf(logits, from, to),
        groups,
        sums: rowsOf(fisher, start + from, start + to),
      }),
    );
  }
  return fisher;
}

/** ±1 from a hash of the place: the same on every machine. */
function randomSigns(rows: number, columns: number): Weight {
  const bytes = sharedBytes(4 * rows * columns);
  const values = new Float32Array(bytes.buffer);
  for (let i = 0; i < values.length; i++) {
    values[i] = (scramble(Math.imul(i + 1, 0x9e3779b9)) & 1) === 0 ? 1 : -1;
  }
  return { bytes, dtype: "F32", rows, columns };
}
