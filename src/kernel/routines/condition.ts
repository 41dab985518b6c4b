import type { Routine } from "../routine.ts";

/**
 * Turns a Gram matrix into the Hessian to be factorized: shrunk, without dead columns, in tuning
 * order, damped.
 */
export interface ConditionJob {
  /** G: float32 `[d, d]`, row-major, upper triangle. */
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
  /**
   * Overwritten, float32 `[d, d]`, row-major: H in `order`, damped. Elements below the diagonal
   * have no meaning. Not the memory of G or T.
   */
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

/** Rows whose elements below the diagonal are moved above it at once. */
const blockRows = 64;

export const condition: Routine<ConditionJob, ConditionAnswer> = {
  describe: ({ order }) => `conditioning of ${order.length}x${order.length}`,
  check({ gram, target, share, damping, order, diagonal, factor }, fail) {
    const d = order.length;
    if (gram.length !== d * d) fail(`the gram has ${gram.length} elements`);
    if (target && target.length !== d * d) fail(`the target has ${target.length} elements`);
    if (factor.length !== d * d) fail(`the factor has ${factor.length} elements`);
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
    for (let p = 0; p < d; p++) factor[p * d + p] = diagonal[order[p]!]! + damping * mean;
    return { dead, mean, trace };
  },
};

function traceOf(matrix: Float32Array, d: number): number {
  let trace = 0;
  for (let i = 0; i < d; i++) trace += matrix[i * d + i]!;
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
    const at = i * d + i;
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

/** Writes H off the diagonal. Reads row by row; puts each element at its columns' positions. */
function permute(
  { gram, target, order, factor }: ConditionJob,
  mixture: Mixture,
  isLive: Uint8Array,
): void {
  const d = order.length;
  const position = new Uint32Array(d);
  for (let p = 0; p < d; p++) position[order[p]!] = p;
  factor.fill(0);
  // (p, q) and (q, p) are the same element. It is written to the row of the lower natural column.
  for (let i = 0; i < d; i++) {
    const [to, from] = [position[i]! * d, i * d];
    const [ofGram, ofTarget] = isLive[i] ? [mixture.gram, mixture.target] : [0, 0];
    for (let j = i + 1; j < d; j++) {
      const value = ofGram * gram[from + j]! + (target ? ofTarget * target[from + j]! : 0);
      factor[to + position[j]!] = isLive[j] ? value : 0;
    }
  }
  // Elements below the diagonal are added to the zeros above it, a few rows at a time so that they
  // stay in the cache.
  for (let left = 0; left < d; left += blockRows) {
    const right = Math.min(d, left + blockRows);
    for (let p = 0; p < right; p++) {
      for (let q = Math.max(p + 1, left); q < right; q++) factor[p * d + q]! += factor[q * d + p]!;
    }
  }
}
