import { OqeError } from "../ground/errors.ts";
import type { Source } from "./source.ts";

/** One declared step from a base tensor to an MLX tensor. `member` is the number in the stack. */
export type Transform = (source: Source, member: number) => Source;

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

/**
 * Moves the second axis to the end: the weight of a convolution `[out, in, …]` as MLX has it,
 * `[out, …, in]`.
 */
export const channelsLast: Transform = (source) => ({
  ...source,
  shape: secondToEnd(source.shape),
  strides: secondToEnd(source.strides),
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

/** Cuts the first axis into equal parts, `[n, …]` to `[count, n / count, …]`: one a head. */
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

/** Adds 1 in float32, for norms whose base stores the weight minus one. */
export const plusOne: Transform = (source) => ({ ...source, plus: source.plus + 1 });

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

function secondToEnd([first, second, ...rest]: readonly number[]): number[] {
  return [first!, ...rest, second!];
}

function misfit({ tensor, shape }: Source, problem: string): OqeError {
  return new OqeError(
    "BAD_CHECKPOINT",
    `tensor "${tensor}": its part of shape [${shape.join(", ")}] ${problem}`,
    "The config may belong to another checkpoint.",
  );
}
