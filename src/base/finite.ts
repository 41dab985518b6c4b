import { OqeError } from "../ground/errors.ts";
import { bytesPerElement, type FloatDtype } from "../kernel/dtype.ts";

/** Exponent bits of each dtype: all set in NaN and the infinities, and in nothing else. */
const exponents: Readonly<Record<FloatDtype, number>> = {
  BF16: 0x7f80,
  F16: 0x7c00,
  F32: 0x7f80_0000,
};

/** Index of the first element that is NaN or infinite, or -1. */
export function firstNonFinite(bytes: Uint8Array, dtype: FloatDtype): number {
  const size = bytesPerElement[dtype]!;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const exponent = exponents[dtype];
  for (let offset = 0; offset < bytes.byteLength; offset += size) {
    const bits = size === 2 ? view.getUint16(offset, true) : view.getUint32(offset, true);
    if ((bits & exponent) >>> 0 === exponent) return offset / size;
  }
  return -1;
}

/** Rows of a base tensor, `[.., columns]` from `row` on. */
export interface TensorPart {
  readonly source: string;
  readonly row: number;
  readonly columns: number;
  readonly dtype: FloatDtype;
  /** Axes of the tensor. An MLX repo may order more than two of them in another way. */
  readonly axes: number;
}

/** What to tell the user of a part in which the kernel counted `count` bad elements. */
export function nonFiniteWeights(part: TensorPart, bytes: Uint8Array, count: number): OqeError {
  const { row, columns } = part;
  const index = firstNonFinite(bytes, part.dtype);
  const flat = row * columns + index;
  const place =
    part.axes === 2 ? `[${Math.floor(flat / columns)}, ${flat % columns}]` : `element ${flat}`;
  // Finite in the base, but too large for a narrower storage dtype.
  const where =
    index < 0
      ? `from row ${row} on beyond the range of the storage dtype`
      : `the first at ${place}`;
  return new OqeError(
    "BAD_CHECKPOINT",
    `tensor "${part.source}" holds ${count} NaN or infinite values, ${where}`,
    "Such a model answers nonsense at any precision. Check the download, or report it to the model's authors.",
  );
}
