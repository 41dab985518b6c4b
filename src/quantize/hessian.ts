import { factorize } from "../kernel/factorize.ts";
import { gram as addGram } from "../kernel/grams.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import type { Leases } from "../kernel/lease.ts";
import { type Matrix, newMatrix, sharedFloats } from "../kernel/matrix.ts";
import { rowOf, triangleSize } from "../kernel/triangle.ts";
import type { TuningSettings } from "./tuning-settings.ts";
import type { TuningTools } from "./tuning-tools.ts";

/** Second moments Σ x xᵀ of an input with `columns` channels. */
export interface Gram {
  /** The upper triangle of `[columns, columns]` (triangle.ts). */
  readonly sums: Float32Array<SharedArrayBuffer>;
  readonly columns: number;
  /** Number of rows x that were added. */
  tokens: number;
  /** Makes the buffer available to the next Gram matrix. */
  release(): void;
}

/** A Hessian in the form that tuning needs: its factor, with columns ordered by second moment. */
export interface Hessian {
  readonly columns: number;
  /**
   * Factor of the damped Hessian in `order`: its upper triangle. Null if there is none; then only
   * `diagonal` is used.
   */
  readonly factor: Float32Array<SharedArrayBuffer> | null;
  readonly order: Uint32Array<SharedArrayBuffer>;
  /** Second moments `[columns]` in natural order, shrunk but not damped. */
  readonly diagonal: Float32Array<SharedArrayBuffer>;
  /** Value that was added to the diagonal, as a fraction of its mean. */
  readonly damping: number;
  /** Share of the target that it was shrunk to, 0 to 1. */
  readonly share: number;
  /** Makes the buffer available to the next Hessian. */
  release(): void;
}

/**
 * Shrinks a Hessian H that few tokens contributed to: (1 - s) H + s T with
 * s = strength · columns / (tokens + strength · columns). See docs/tuning.md.
 */
export interface Shrinkage {
  /** T; null: the diagonal of H. */
  readonly target: Gram | null;
  /** How many tokens per input channel the target is worth. */
  readonly strength: number;
}

export interface HessianOptions {
  /** Default: none. */
  readonly shrinkage?: Shrinkage;
  /** Default: "hessian". */
  readonly curvature?: TuningSettings["curvature"];
}

type HessianTools = Pick<TuningTools, "kernel" | "hessianBuffers">;

/**
 * Dampings to try in turn, as fractions of the mean diagonal. One percent is GPTQ's own value
 * (arXiv 2210.17323 §3.3). The others are for matrices that are not positive definite in float32.
 */
const dampings = [0.01, 0.1, 1];

/** Large buffers to hold for later: enough for the experts of one block that are in progress. */
const mostSpare = 8;

export function newGram(buffers: Leases, columns: number): Gram {
  const size = triangleSize(columns);
  const buffer = buffers.take(4 * size);
  const sums = new Float32Array(buffer, 0, size).fill(0);
  return { sums, columns, tokens: 0, release: () => buffers.give(buffer, mostSpare) };
}

/**
 * Adds the rows of `x [tokens, columns]`, each multiplied by `weight` (default 1).
 * `counted` (default true): whether the rows count as tokens of the input.
 */
export async function collect(
  kernel: Kernel,
  gram: Gram,
  x: Matrix,
  { weight = 1, counted = true }: { readonly weight?: number; readonly counted?: boolean } = {},
): Promise<void> {
  if (x.rows === 0) return;
  await addGram(kernel, { x, sums: gram.sums, alpha: weight });
  if (counted) gram.tokens += x.rows;
}

/** gram += weight · other, for the same number of channels. */
export async function addScaled(
  kernel: Kernel,
  gram: Gram,
  { sums, columns }: Gram,
  weight: number,
): Promise<void> {
  // A triangle has as many elements as a matrix of this shape.
  const odd = columns % 2 === 1 ? columns : columns + 1;
  const by = newMatrix(sums.length / odd, odd);
  by.data.set(sums);
  await kernel.run("scale", { x: by, factors: sharedFloats(odd).fill(weight) });
  const x = { ...by, data: gram.sums };
  await kernel.run("elementwise", { what: "add", x, by });
}

/** Sum of the diagonal: the power of the input. */
export function traceOf({ sums, columns }: Gram): number {
  let trace = 0;
  for (let i = 0; i < columns; i++) trace += sums[rowOf(columns, i) + i]!;
  return trace;
}

/** Shrinks, damps, orders and factors. The same sums give the same bytes. */
export async function makeHessian(
  { kernel, hessianBuffers }: HessianTools,
  gram: Gram,
  { shrinkage = { target: null, strength: 0 }, curvature = "hessian" }: HessianOptions = {},
): Promise<Hessian> {
  const { columns, sums } = gram;
  const size = triangleSize(columns);
  const buffer = hessianBuffers.take(4 * (2 * columns + size));
  const order = new Uint32Array(buffer, 0, columns);
  const diagonal = new Float32Array(buffer, 4 * columns, columns);
  const factor = new Float32Array(buffer, 8 * columns, size);
  const release = () => hessianBuffers.give(buffer, mostSpare);
  const target = shrinkage.target?.sums ?? null;
  const share = shareOf(gram, shrinkage);
  const job = { gram: sums, target, share, order, diagonal, factor };
  const common = { columns, order, diagonal, share, release };
  for (const damping of dampings) {
    await kernel.run("condition", { ...job, damping });
    if (curvature === "diagonal") break;
    const { pivot } = await factorize(kernel, factor, columns);
    if (pivot === null) return { ...common, factor, damping };
  }
  return { ...common, factor: null, damping: Number.POSITIVE_INFINITY };
}

/** Share of the target in the shrunk Hessian. */
function shareOf({ tokens, columns }: Gram, { strength }: Shrinkage): number {
  if (strength === 0) return 0;
  return (strength * columns) / (tokens + strength * columns);
}
