import { type Coding, tensorsOfCoding } from "../coding/coding.ts";

/**
 * Where the values of one MLX tensor, or of one member of a stack, lie in the base.
 *
 * A strided view of one base tensor, as numpy has it: element `[i, j, …]` of the view is element
 * `offset + i · strides[0] + j · strides[1] + …` of the base tensor, counted in row-major order.
 */
export interface Source {
  /** Name of the base tensor. Where that is coded: the name that its values would have. */
  readonly tensor: string;
  /** Shape of the base tensor's values. */
  readonly base: readonly number[];
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
  /** How the base codes the values. Null: it stores them as floats. */
  readonly coding: Coding | null;
  /** Added to every value in float32. */
  readonly plus: number;
}

/** All values of a base tensor, in its own order. */
export function wholeTensor(tensor: string, base: readonly number[]): Source {
  return {
    tensor,
    base,
    shape: base,
    strides: rowMajor(base),
    offset: 0,
    coding: null,
    plus: 0,
  };
}

/** The same view of values that are decoded: it is one of the codes' own order. */
export function asCoded(source: Source, coding: Coding | undefined): Source {
  if (coding === undefined) return source;
  if (!coding.isTransposed) return { ...source, coding };
  const [rows, columns] = source.base.slice(-2) as [number, number];
  const moved = (elements: number) => {
    const [row, column] = [Math.floor(elements / columns) % rows, elements % columns];
    return elements - (row * columns + column) + column * rows + row;
  };
  return {
    ...source,
    coding,
    base: [...source.base.slice(0, -2), columns, rows],
    strides: source.strides.map(moved),
    offset: moved(source.offset),
  };
}

/** Whether the view's values lie one after the other, without gaps. */
export function isContiguous({ shape, strides }: Source): boolean {
  const expected = rowMajor(shape);
  return shape.every((size, axis) => size === 1 || strides[axis] === expected[axis]);
}

/**
 * Whether MLX's mxfp4 holds the view's codes as they are: it has whole rows of codes, with a scale
 * for 32 of them.
 */
export function keepsMxfp4({ coding, base, shape, strides, offset, plus }: Source): boolean {
  if (coding === null || coding.format !== "fp4" || plus !== 0) return false;
  const [high, wide] = coding.block;
  const columns = base.at(-1)!;
  const isRow = (elements: number) => elements % columns === 0;
  return (
    high === 1 &&
    wide === 32 &&
    columns % wide === 0 &&
    shape.length > 1 &&
    shape.at(-1) === columns &&
    strides.at(-1) === 1 &&
    [offset, ...strides.slice(0, -1)].every(isRow)
  );
}

/**
 * Whether a matrix, or a stack of them, can be stored with the codes that the base has for it.
 * Tables outside the blocks are tuned for their use instead.
 */
export function keepsCodes(tensor: {
  readonly layer: number | null;
  readonly sources: readonly Source[];
}): boolean {
  return tensor.layer !== null && tensor.sources.every(keepsMxfp4);
}

/** Whether a row of the view runs across rows of the base tensor. */
export function isTransposed(source: Source): boolean {
  return !isContiguous(source) && source.shape.length > 1 && source.strides.at(-1) !== 1;
}

/** Element of the base tensor at which a row of the view starts. Rows: all axes but the last. */
export function rowStart({ shape, strides, offset }: Source, row: number): number {
  let [start, rest] = [offset, row];
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    start += (rest % shape[axis]!) * strides[axis]!;
    rest = Math.floor(rest / shape[axis]!);
  }
  return start;
}

/** Names of the base tensors that the values are read from. */
export function tensorsOf({ tensor, coding }: Source): readonly string[] {
  return coding === null ? [tensor] : tensorsOfCoding(coding);
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

function rowMajor(shape: readonly number[]): number[] {
  const strides: number[] = [];
  let stride = 1;
  for (const size of shape.toReversed()) {
    strides.unshift(stride);
    stride *= size;
  }
  return strides;
}
