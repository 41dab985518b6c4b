import { factorize } from "../kernel/factorize.ts";
import { gram as addGram } from "../kernel/grams.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import type { Leases } from "../kernel/lease.ts";
import type { Matrix } from "../kernel/matrix.ts";

/** Second moments of an input of width d: the upper triangle of Σ x xᵀ, `[d, d]` row-major, and how many rows went in. */
export interface Gram {
  readonly sums: Float32Array<SharedArrayBuffer>;
  readonly width: number;
  tokens: number;
  /** Lets the next Hessian have the memory. */
  release(): void;
}

/** What tuning needs of an input: columns in the order of their second moments, and the factor of the damped Hessian in that order. */
export interface Hessian {
  readonly width: number;
  /** Null: no factor could be made, only the diagonal is left. */
  readonly factor: Float32Array<SharedArrayBuffer> | null;
  readonly order: Uint32Array<SharedArrayBuffer>;
  /** Second moments `[d]` in natural order, shrunk but not damped. */
  readonly diagonal: Float32Array<SharedArrayBuffer>;
  /** Fraction of the mean diagonal that was added to it. */
  readonly damping: number;
  /** Lets the next Hessian have the memory. */
  release(): void;
}

/** Where a Hessian is pulled to when it was seen by few tokens, and how hard. */
export interface Shrinkage {
  /** Null: the own diagonal. */
  readonly target: Gram | null;
  /** Worth of the target in tokens per input column: share = a·d / (n + a·d) (facts: docs/tuning.md). */
  readonly strength: number;
}

/**
 * Dampings tried in turn, as fractions of the mean diagonal. One percent is GPTQ's own (arXiv 2210.17323 §3.3, "dampening"); more
 * only where float32 does not see a positive definite matrix.
 */
const dampings = [0.01, 0.1, 1];

/** Large buffers spare for the next Hessian: those of one block's experts under way. */
const mostSpare = 8;

export function newGram(buffers: Leases, width: number): Gram {
  const buffer = buffers.take(4 * width * width);
  const sums = new Float32Array(buffer, 0, width * width).fill(0);
  return { sums, width, tokens: 0, release: () => buffers.give(buffer, mostSpare) };
}

/** Adds the rows of `x` `[tokens, d]`, each counting `weight` times. `counted`: whether they are the input's own tokens. */
export async function collect(
  kernel: Kernel,
  gram: Gram,
  x: Matrix,
  weight = 1,
  counted = true,
): Promise<void> {
  if (x.rows === 0) return;
  await addGram(kernel, x, gram.sums, weight);
  if (counted) gram.tokens += x.rows;
}

/** Shrinks, damps, orders and factors. The same sums give the same bytes. */
export async function makeHessian(
  kernel: Kernel,
  buffers: Leases,
  gram: Gram,
  shrinkage: Shrinkage,
  curvature: "hessian" | "diagonal" = "hessian",
): Promise<Hessian> {
  const { width, sums } = gram;
  const buffer = buffers.take(4 * width * (width + 2));
  const order = new Uint32Array(buffer, 0, width);
  const diagonal = new Float32Array(buffer, 4 * width, width);
  const factor = new Float32Array(buffer, 8 * width, width * width);
  const release = () => buffers.give(buffer, mostSpare);
  const job = {
    gram: sums,
    target: shrinkage.target?.sums ?? null,
    share: shareOf(gram, shrinkage),
  };
  for (const damping of dampings) {
    await kernel.run("condition", { ...job, damping, order, diagonal, factor });
    if (curvature === "diagonal") break;
    const { pivot } = await factorize(kernel, factor, width);
    if (pivot === null) return { width, factor, order, diagonal, damping, release };
  }
  return { width, factor: null, order, diagonal, damping: Number.POSITIVE_INFINITY, release };
}

/** Share of the target in the shrunk Hessian. */
function shareOf({ tokens, width }: Gram, { strength }: Shrinkage): number {
  if (strength === 0) return 0;
  return (strength * width) / (tokens + strength * width);
}
