import type { Routine } from "../routine.ts";
import { checkTriangle, rowOf } from "../triangle.ts";

/**
 * Turns a Gram matrix into the Hessian to be factorized: shrunk, without dead columns, in tuning
 * order, damped.
 */
export interface ConditionJob {
  /** G `[d, d]`: its upper triangle (triangle.ts). */
  readonly gram: Float32Array<SharedArrayBuffer>;
  /** T, as `gram`: G is shrunk towards it. Null: towards G's own diagonal. */
  readonly target: Float32Array<SharedArrayBuffer> | null;
  /**
   * λ, 0 to 1: T's share of H = (1 - λ)·G + λ·T·(tr G / tr T). A G of trace 0 has seen no token;
   * then H = T.
   */
  readonly share: number;
  /** Added to the diagonal: this fraction of its mean. */
  readonly damping: number;
  /**
   * Overwritten, `[d]`: natural column of each position, by ascending diagonal of H. Of equal
   * columns the higher one comes first.
   */
  readonly order: Uint32Array<SharedArrayBuffer>;
  /**
   * Overwritten, `[d]`: the diagonal of H in natural order before damping, dead columns at the
   * mean.
   */
  readonly diagonal: Float32Array<SharedArrayBuffer>;
  /** Overwritten: the upper triangle of H in `order`, damped. Not the memory of G or T. */
  readonly factor: Float32Array<SharedArrayBuffer>;
}

export interface ConditionAnswer {
  /**
   * Dead columns: their diagonal is not above 0, because no token ever reached them. In H their
   * diagonal is the mean; their other elements are 0.
   */
  readonly dead: number;
  /** Mean diagonal of the live columns, before damping; 1 if there is none. */
  readonly mean: number;
  /** Sum of the live columns' diagonal, before damping. */
  readonly trace: number;
}

/**
 * H(i, j) = gram·G(i, j) + target·T(i, j) off the diagonal; on it G counts `gramDiagonal` times.
 */
interface Mixture {
  readonly gram: number;
  readonly gramDiagonal: number;
  readonly target: number;
}

/** Positions that are written at once where a row of G gives a column of H: some cache lines. */
const positionsAtOnce = 64;

export const condition: Routine<ConditionJob, ConditionAnswer> = {
  describe: ({ order }) => `conditioning of ${order.length}x${order.length}`,
  check({ gram, target, share, damping, order, diagonal, factor }, fail) {
    const d = order.length;
    checkTriangle("the gram", gram, d, fail);
    if (target) checkTriangle("the target", target, d, fail);
    checkTriangle("the factor", factor, d, fail);
    if (diagonal.length !== d) fail(`the diagonal has ${diagonal.length} elements`);
    if (!(share >= 0 && share <= 1)) fail(`a share of ${share}, expected 0 to 1`);
    if (!(damping >= 0 && damping < Number.POSITIVE_INFINITY))
      fail(`a damping of ${damping}, expected a finite number from 0`);
    const same = (one: Float32Array | null) =>
      one?.buffer === factor.buffer && one.byteOffset === factor.byteOffset;
    if (same(gram) || same(target)) fail("the factor would overwrite its source");
  },
  run(job) {
    const { gram, target, share, damping, order, diagonal, factor } = job;
    const d = order.length;
    const mixture = mix(traceOf(gram, d), target && traceOf(target, d), share);
    const answer = conditionDiagonal(job, mixture);
    const { dead, mean, trace } = answer;
    order.set(Array.from(diagonal.keys()).sort((a, b) => diagonal[a]! - diagonal[b]! || b - a));
    permute(job, mixture, answer.isLive);
    for (let p = 0; p < d; p++) factor[rowOf(d, p) + p] = diagonal[order[p]!]! + damping * mean;
    return { dead, mean, trace };
  },
};

function traceOf(matrix: Float32Array, d: number): number {
  let trace = 0;
  for (let i = 0; i < d; i++) trace += matrix[rowOf(d, i) + i]!;
  return trace;
}

function mix(gramTrace: number, targetTrace: number | null, share: number): Mixture {
  if (targetTrace === null) return { gram: 1 - share, gramDiagonal: 1, target: 0 };
  if (gramTrace === 0) return { gram: 0, gramDiagonal: 0, target: 1 };
  if (targetTrace === 0) return { gram: 1, gramDiagonal: 1, target: 0 };
  return { gram: 1 - share, gramDiagonal: 1 - share, target: (share * gramTrace) / targetTrace };
}

/**
 * Writes H's diagonal, dead columns at the mean. `isLive` is 1 for every other column, also for
 * NaN: the factorization will report it.
 */
function conditionDiagonal({ gram, target, diagonal }: ConditionJob, mixture: Mixture) {
  const d = diagonal.length;
  const isLive = new Uint8Array(d);
  let [trace, live] = [0, 0];
  for (let i = 0; i < d; i++) {
    const at = rowOf(d, i) + i;
    diagonal[i] = mixture.gramDiagonal * gram[at]! + (target ? mixture.target * target[at]! : 0);
    if (diagonal[i]! <= 0) continue;
    isLive[i] = 1;
    live++;
    trace += diagonal[i]!;
  }
  const mean = live > 0 ? trace / live : 1;
  for (let i = 0; i < d; i++) if (!isLive[i]) diagonal[i] = mean;
  return { isLive, mean, trace, dead: d - live };
}

/**
 * Writes H off the diagonal. Element (i, j) of G, i < j, is that of their positions p and q. It
 * lies in row p of H if p < q, else in row q.
 */
function permute(job: ConditionJob, mixture: Mixture, isLive: Uint8Array): void {
  const d = job.order.length;
  const position = new Uint32Array(d);
  for (let p = 0; p < d; p++) position[job.order[p]!] = p;
  for (let p = 0; p < d; p += positionsAtOnce) {
    const range = [p, Math.min(d, p + positionsAtOnce)] as const;
    writePositions(job, { mixture, isLive, position }, range);
  }
}

interface Permutation {
  readonly mixture: Mixture;
  readonly isLive: Uint8Array;
  /** Of each natural column. */
  readonly position: Uint32Array;
}

/** Takes the rows of G whose positions are `[first, end)`. */
function writePositions(
  { gram, target, order, factor }: ConditionJob,
  { mixture, isLive, position }: Permutation,
  [first, end]: readonly [number, number],
): void {
  const d = order.length;
  const count = end - first;
  const naturals = order.slice(first, end);
  const inGram = Float64Array.from(naturals, (i) => rowOf(d, i));
  const inFactor = Float64Array.from(naturals, (_, k) => rowOf(d, first + k));
  const ofGram = Float64Array.from(naturals, (i) => (isLive[i] ? mixture.gram : 0));
  const ofTarget = Float64Array.from(naturals, (i) => (isLive[i] ? mixture.target : 0));
  for (let j = Math.min(...naturals) + 1; j < d; j++) {
    const q = position[j]!;
    const row = rowOf(d, q) + first;
    const live = isLive[j] === 1;
    for (let k = 0; k < count; k++) {
      if (naturals[k]! >= j) continue;
      const at = inGram[k]! + j;
      const value = ofGram[k]! * gram[at]! + (target ? ofTarget[k]! * target[at]! : 0);
      factor[first + k < q ? inFactor[k]! + q : row + k] = live ? value : 0;
    }
  }
}
