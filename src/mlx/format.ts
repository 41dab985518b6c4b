import type { FloatDtype } from "../kernel/dtype.ts";
import { bytesPerElement } from "../kernel/dtype.ts";
import { isMxfp4, type Width } from "../kernel/width.ts";
import type { OutputTensor, PlannedTensor } from "../models/architecture.ts";

/**
 * A tensor of an MLX repository as its file holds it. In MLX's affine layout a matrix
 * `[…, rows, columns]` becomes three: `weight` U32 `[…, rows, columns · bits / 32]`, `scales` and
 * `biases` `[…, rows, columns / groupSize]` in the storage dtype. The codes of a row are one
 * little-endian stream of bits. In MLX's mxfp4 it becomes two: `weight` with codes of 4 bits, and
 * `scales` U8 `[…, rows, columns / 32]`.
 */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
}

export function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Bytes of a stored tensor. */
export function storedBytes({ dtype, shape }: Pick<StoredTensor, "dtype" | "shape">): number {
  return elements(shape) * bytesPerElement[dtype]!;
}

/** Path of the module that a weight belongs to. MLX's config gives widths by module. */
export function modulePath(tensor: Pick<OutputTensor, "name">): string {
  return tensor.name.replace(/\.weight$/, "");
}

/** Whether MLX's affine format can hold the tensor: a matrix whose rows are whole groups. */
export function isAligned(shape: readonly number[], groupSize: number): boolean {
  return shape.length >= 2 && shape.at(-1)! % groupSize === 0;
}

/** Bytes of codes, scales and biases together. */
export function quantizedBytes(
  shape: readonly number[],
  width: Width,
  storage: FloatDtype,
): number {
  const n = elements(shape);
  const perGroup = isMxfp4(width) ? 1 : 2 * bytesPerElement[storage]!;
  return (n * width.bits) / 8 + (n / width.groupSize) * perGroup;
}

/**
 * Dtype of an unquantized tensor in the MLX repository: the storage dtype, unless mlx-lm's
 * cast_predicate exempts the tensor.
 */
export function unquantizedDtype(tensor: PlannedTensor, storage: FloatDtype): FloatDtype {
  return tensor.role.exemptFromCast === true ? (tensor.dtype as FloatDtype) : storage;
}

/** The stored tensors of one MLX tensor. `width` undefined: it is unquantized. */
export function storedTensors(
  tensor: PlannedTensor,
  width: Width | undefined,
  storage: FloatDtype,
): StoredTensor[] {
  if (width === undefined)
    return [{ name: tensor.name, dtype: unquantizedDtype(tensor, storage), shape: tensor.shape }];
  const lead = tensor.shape.slice(0, -1);
  const columns = tensor.shape.at(-1)!;
  const path = modulePath(tensor);
  const grouped = [...lead, columns / width.groupSize];
  const codes = {
    name: `${path}.weight`,
    dtype: "U32",
    shape: [...lead, (columns * width.bits) / 32],
  };
  if (isMxfp4(width)) return [codes, { name: `${path}.scales`, dtype: "U8", shape: grouped }];
  return [
    codes,
    { name: `${path}.scales`, dtype: storage, shape: grouped },
    { name: `${path}.biases`, dtype: storage, shape: grouped },
  ];
}

/** Names that the stored tensors of one MLX tensor may have. */
export function storedNames(tensor: Pick<OutputTensor, "name">): string[] {
  const path = modulePath(tensor);
  return [tensor.name, `${path}.scales`, `${path}.biases`];
}

/** Without repeats, in order of first appearance. */
export function distinct(widths: readonly Width[]): Width[] {
  return widths.filter((width, i) => widths.findIndex((other) => sameWidth(other, width)) === i);
}

export function sameWidth(a: Width, b: Width): boolean {
  return a.bits === b.bits && a.groupSize === b.groupSize && a.mode === b.mode;
}
