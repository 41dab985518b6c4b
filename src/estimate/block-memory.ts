import { total } from "../ground/sum.ts";
import { triangleSize } from "../kernel/triangle.ts";
import { batchesAtOnce, batchTokens } from "../models/batches.ts";
import { mostMade, visitedRows } from "../models/lazy-rows.ts";
import { isQuantizable } from "../plan/plan.ts";
import { type BlockShape, type MatrixShape, type ModelShape, nearShare } from "./model-shape.ts";

/** Spare buffers of Hessians. */
const spare = 8;

/** The riders on one model, by their tokens. */
export interface Riding {
  /** Of the rider that is tuned on; 0: none. */
  readonly tuned: number;
  readonly others: readonly number[];
}

/**
 * Memory while riders pass a block. All of them go through experts side by side, and through
 * another block one after the other. A part of a block holds its input and its output `[tokens,
 * hidden]`; the second of two parts, also the first one's. Experts in a narrower space have their
 * own input too. Tuning also holds what its mixer makes.
 */
export function passingMemory(
  shape: ModelShape,
  block: BlockShape,
  { tuned, others }: Riding,
  workers: number,
): number {
  const { hidden } = shape;
  const states = hidden * (1 + block.parts) + block.narrow;
  const mixing = tuned * (states + block.mixed);
  const made = madeElements(tuned, block.inner);
  const batch = batchTokens({ workers }) * (states + batchesAtOnce({ workers }) * widestOf(block));
  const inExperts = expertRows(shape, block, { tuned, others }) * (workers + 1);
  const passing = isStack(block)
    ? (tuned + total(others)) * states + Math.max(made, inExperts)
    : Math.max(tuned * states + made, Math.max(0, ...others) * hidden);
  return 4 * (Math.max(mixing, passing) + batch) + blockMemory(block.matrices, workers);
}

/**
 * Elements of the middle of an MLP that are there while its Hessian is made: all, or the rows of a
 * visit, with those of the other factor.
 */
function madeElements(tokens: number, inner: number): number {
  const all = tokens * inner;
  return 4 * all <= mostMade ? all : 2 * Math.min(tokens, visitedRows(inner)) * inner;
}

/**
 * Output rows of the widest matrix that all tokens are multiplied with. The inputs of a gated
 * DeltaNet are side by side in one matrix.
 */
function widestOf({ matrices }: Pick<BlockShape, "matrices">): number {
  const dense = matrices.filter(({ tensor }) => tensor.role.routed !== true);
  const isInput = ({ tensor: { role } }: MatrixShape) => role.part === "delta" && !role.residual;
  const together = total(dense.filter(isInput).map(({ rows }) => rows));
  return Math.max(together, ...dense.map(({ rows }) => rows));
}

/** Matrices in work, shared by the riders, and the Hessians of their inputs. */
export function blockMemory(matrices: readonly MatrixShape[], workers: number): number {
  const inWork = matrices.map(({ rows, columns, tensor }) => {
    const routed = tensor.role.routed === true;
    const shared = routed ? 2 * (workers + 1) : 1;
    return 4 * rows * columns * shared;
  });
  return total(inWork) + hessiansOf(matrices);
}

/**
 * Buffers of the Hessians of a block's inputs, which stay until it is done. Experts in progress
 * share theirs, so each is as large as the largest. Other inputs come one after the other: each
 * size has a Gram matrix and a factor.
 */
export function hessiansOf(matrices: readonly MatrixShape[]): number {
  const sizesOf = (routed: boolean) => {
    const own = matrices.filter(({ tensor }) => (tensor.role.routed === true) === routed);
    return new Set(own.filter(({ tensor }) => isQuantizable(tensor)).map(({ columns }) => columns));
  };
  const routed = spare * triangleSize(Math.max(0, ...sizesOf(true)));
  return 4 * (routed + 2 * total([...sizesOf(false)].map(triangleSize)));
}

/** Elements of all riders' rows of one expert: input, what it makes of them, and output. */
function expertRows({ experts }: ModelShape, { matrices }: BlockShape, riders: Riding) {
  const expert = matrices.find(({ tensor }) => tensor.role.routed === true);
  if (expert === undefined) return 0;
  const { rows, columns, perToken } = expert;
  const visits = (tokens: number) => (tokens * perToken) / experts!.routed;
  const made = columns + rows;
  const text = visits(total(riders.others)) * (made + columns);
  return text + visits(riders.tuned) * ((1 + nearShare) * made + columns);
}

function isStack({ matrices }: BlockShape): boolean {
  return matrices.some(({ tensor }) => tensor.role.routed === true);
}
