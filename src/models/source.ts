import { OqeError } from "../ground/errors.ts";

/**
 * Where the values of one MLX tensor, or of one member of a stack, lie in the base.
 *
 * A strided view of one base tensor, as numpy has it: element `[i, j, …]` of the view is element
 * `offset + i · strides[0] + j · strides[1] + …` of the base tensor, counted in row-major order.
 */
export interface Source {
  /** Name of the base tensor. */
  readonly tensor: string;
  /** Shape of the base tensor. */
  readonly base: readonly number[];
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
  /** Added to every value in float32. */
  readonly plus: number;
}

/** One declared step from a base tensor to an MLX tensor. `member` is the number in the stack. */
export type Transform = (source: Source, member: number) => Source;

/** All values of a base tensor, in its own order. */
export function wholeTensor(tensor: string, base: readonly number[]): Source {
  return {
    tensor,
    base,
    shape: base,
    strides: rowMajor(base),
    offset: 0,
    plus: 0,
  };
}

/** The base tensor is stacked already: member e is its e-th slice along the first axis. */
export const sliceOfStack: Transform = (source, member) => {
  const [, ...shape] = source.shape;
  const [stride, ...strides] = source.strides;
  return { ...source, shape, strides, offset: source.offset + member * stride! };
};

/** Swaps the last two axes: a matrix that the base stores as `[in, out]`. */
export const transpose: Transform = (source) => ({
  ...source,
  shape: swapLast(source.shape),
  strides: swapLast(source.strides),
});

/** The first half of the first axis. */
export const firstHalf: Transform = (source) => everyOf(source, 0, 1, half(source));
/** The second half of the first axis. */
export const secondHalf: Transform = (source) => everyOf(source, half(source), 1, half(source));
/** Entries 0, 2, 4, … of the first axis. */
export const evenRows: Transform = (source) => everyOf(source, 0, 2, half(source));
/** Entries 1, 3, 5, … of the first axis. */
export const oddRows: Transform = (source) => everyOf(source, 1, 2, half(source));

/** Entries `[start, start + count)` of the first axis. */
export function range(start: number, count: number): Transform {
  return (source) => everyOf(source, start, 1, count);
}

/** Cuts the first axis into `count` equal parts, `[n, …]` to `[count, n / count, …]`: one a head. */
export function cutInto(count: number): Transform {
  return (source) => {
    const [size, ...shape] = source.shape as [number, ...number[]];
    const [stride, ...strides] = source.strides as [number, ...number[]];
    const part = size / count;
    if (!Number.isInteger(part)) throw misfit(source, `cannot be cut into ${count} equal parts`);
    return {
      ...source,
      shape: [count, part, ...shape],
      strides: [part * stride, stride, ...strides],
    };
  };
}

/** Adds 1 in float32: norms whose base stores the weight minus one. */
export const plusOne: Transform = (source) => ({ ...source, plus: source.plus + 1 });

/** Whether the view's values lie one after the other, without gaps. */
export function isContiguous({ shape, strides }: Source): boolean {
  const expected = rowMajor(shape);
  return shape.every((size, axis) => size === 1 || strides[axis] === expected[axis]);
}

/** Whether a row of the view runs across rows of the base tensor. */
export function isTransposed(source: Source): boolean {
  return !isContiguous(source) && source.shape.length > 1 && source.strides.at(-1) !== 1;
}

/** Element of the base tensor at which row `row` of the view starts. Rows are all axes but the last. */
export function rowStart({ shape, strides, offset }: Source, row: number): number {
  let [start, rest] = [offset, row];
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    start += (rest % shape[axis]!) * strides[axis]!;
    rest = Math.floor(rest / shape[axis]!);
  }
  return start;
}

/** Index in the base tensor, one number an axis, of value `column` in row `row` of the view. */
export function placeOf(source: Source, row: number, column: number): number[] {
  let rest = rowStart(source, row) + column * source.strides.at(-1)!;
  return rowMajor(source.base).map((stride) => {
    const index = Math.floor(rest / stride);
    rest -= index * stride;
    return index;
  });
}

function everyOf(source: Source, start: number, step: number, count: number): Source {
  const [size, ...shape] = source.shape as [number, ...number[]];
  const [stride, ...strides] = source.strides as [number, ...number[]];
  if (start + (count - 1) * step >= size)
    throw misfit(source, `has no ${count} entries from ${start} on along its first axis`);
  return {
    ...source,
    shape: [count, ...shape],
    strides: [step * stride, ...strides],
    offset: source.offset + start * stride,
  };
}

function half(source: Source): number {
  const count = source.shape[0]! / 2;
  if (!Number.isInteger(count)) throw misfit(source, "cannot be cut in half");
  return count;
}

function swapLast(axes: readonly number[]): number[] {
  const [rows, columns] = axes.slice(-2) as [number, number];
  return [...axes.slice(0, -2), columns, rows];
}

function rowMajor(shape: readonly number[]): number[] {
  const strides: number[] = [];
  let stride = 1;
  for (const size of shape.toReversed()) {
    strides.unshift(stride);
    stride *= size;
  }
  return strides;
}

function misfit({ tensor, shape }: Source, problem: string): OqeError {
  return new OqeError(
    "BAD_CHECKPOINT",
    `tensor "${tensor}": its part of shape [${shape.join(", ")}] ${problem}`,
    "The config may belong to another checkpoint.",
  );
}
