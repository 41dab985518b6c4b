import { total } from "../ground/sum.ts";
import { bytesPerElement } from "../kernel/dtype.ts";
import { largestSpare } from "../kernel/lease.ts";
import { triangleSize } from "../kernel/triangle.ts";
import { batchesAtOnce, batchTokens } from "../models/batches.ts";
import { mostMade, visitedRows } from "../models/lazy-rows.ts";
import { isQuantizable } from "../plan/plan.ts";
import {
  type BlockShape,
  isMixer,
  type MatrixShape,
  type ModelShape,
  nearShare,
} from "./model-shape.ts";

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
  riders: Riding,
  workers: number,
): number {
  const { tuned, others } = riders;
  const states = statesOf(shape, block);
  const batch = batchTokens({ workers }) * (states + batchesAtOnce({ workers }) * widestOf(block));
  if (!isStack(block)) {
    const passing = Math.max(0, ...others) === 0 ? 0 : passingOthers(shape, block, others);
    return 4 * batch + Math.max(tuned === 0 ? 0 : tuningMemory(shape, block, tuned), passing);
  }
  const made = Math.min(mostMade / 4, tuned * block.inner);
  const inExperts = expertRows(shape, block, riders) * (workers + 1);
  const passing = (tuned + total(others)) * states + Math.max(made, inExperts);
  const most = Math.max(tuned * (states + block.mixed), passing);
  return 4 * (most + batch) + weightsOf(block.matrices, workers) + hessiansOf(block.matrices);
}

/** Elements of a token's states in a block. */
function statesOf({ hidden }: ModelShape, { parts, narrow }: BlockShape): number {
  return hidden * (1 + parts) + narrow;
}

/**
 * The largest moment of tuning a block without experts: behind its mixer; while the Hessian of the
 * middle of its MLP is made, when there is no output yet; while that is multiplied, when large
 * Hessians are gone.
 */
function tuningMemory(shape: ModelShape, block: BlockShape, tuned: number): number {
  const { matrices, mixed, inner } = block;
  const states = statesOf(shape, block);
  const moments = [
    4 * tuned * (states + mixed) + hessiansOf(matrices.filter(isMixer)),
    4 * (tuned * (states - shape.hidden) + madeElements(tuned, inner)) + hessiansOf(matrices),
    4 * tuned * states + hessiansOf(matrices, largestSpare),
  ];
  return Math.max(...moments) + storedWeights(matrices);
}

/** The same of riders without tuning: they may have codes of the weights in float32. */
function passingOthers(
  { hidden }: ModelShape,
  { matrices }: BlockShape,
  others: readonly number[],
) {
  const decoded = 4 * total(matrices.map(({ rows, columns }) => rows * columns));
  return 4 * Math.max(...others) * hidden + storedWeights(matrices) + decoded;
}

/** Bytes of a block's matrices as the base has them. */
function storedWeights(matrices: readonly MatrixShape[]): number {
  return total(
    matrices.map(({ rows, columns, tensor }) => rows * columns * bytesPerElement[tensor.dtype]!),
  );
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

/** Matrices of a block with experts that are in work, shared by the riders. */
function weightsOf(matrices: readonly MatrixShape[], workers: number): number {
  const inWork = matrices.map(({ rows, columns, tensor }) => {
    const shared = tensor.role.routed === true ? 2 * (workers + 1) : 1;
    return 4 * rows * columns * shared;
  });
  return total(inWork);
}

/**
 * Buffers of the Hessians of a block's inputs, which stay until it is done. Experts in progress
 * share theirs, so each is as large as the largest. Other inputs come one after the other: each
 * size has a Gram matrix and a factor. Only buffers of up to `most` bytes count.
 */
export function hessiansOf(matrices: readonly MatrixShape[], most = Infinity): number {
  const sizesOf = (routed: boolean) => {
    const own = matrices.filter(({ tensor }) => (tensor.role.routed === true) === routed);
    return new Set(own.filter(({ tensor }) => isQuantizable(tensor)).map(({ columns }) => columns));
  };
  const routed = spare * triangleSize(Math.max(0, ...sizesOf(true)));
  const others = [...sizesOf(false)].map(triangleSize).filter((size) => 4 * size <= most);
  return 4 * (routed + 2 * total(others));
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
