import { OqeError } from "../ground/errors.ts";
import { bytesPerElement, type FloatDtype } from "../kernel/dtype.ts";
import type { Weight } from "../kernel/matrix.ts";
import type { OutputTensor } from "../models/architecture.ts";
import { placeOf, tensorsOf } from "../models/source.ts";

/** Exponent bits of each dtype. All of them are set in NaN and the infinities only. */
const exponents: Readonly<Record<FloatDtype, number>> = {
  BF16: 0x7f80,
  F16: 0x7c00,
  F32: 0x7f80_0000,
};

/** Rows of an MLX tensor as they were read from the base. */
export interface ReadPart {
  readonly tensor: OutputTensor;
  /** Number in the stack; 0 for a tensor that is not a stack. */
  readonly member: number;
  /** First row of `values` within the member. */
  readonly row: number;
  readonly values: Weight;
}

/** Throws BAD_CHECKPOINT for rows of which some elements are NaN or infinite. */
export function refuseNonFinite(part: ReadPart, count: number): void {
  if (count > 0) throw nonFiniteWeights(part, count);
}

/** The error for rows in which the kernel counted `count` elements that are NaN or infinite. */
export function nonFiniteWeights(part: ReadPart, count: number): OqeError {
  const { bytes, dtype, columns } = part.values;
  const source = part.tensor.sources[part.member]!;
  const index = firstNonFinite(bytes, dtype);
  const at = Math.max(0, index);
  const row = part.row + Math.floor(at / columns);
  const place = `[${placeOf(source, row, at % columns).join(", ")}]`;
  // Finite in the base, but too large for a narrower storage dtype.
  const where =
    index < 0 ? `from ${place} on beyond the range of the storage dtype` : `the first at ${place}`;
  const names = tensorsOf(source).map((name) => `"${name}"`);
  return new OqeError(
    "BAD_CHECKPOINT",
    `tensor ${names.join(" with scales ")} holds ${count} NaN or infinite values, ${where}`,
    "No precision can quantize such a model. Check the download, or report it to the model's " +
      "authors.",
  );
}

/** Index of the first element that is NaN or infinite, or -1. */
function firstNonFinite(bytes: Uint8Array, dtype: FloatDtype): number {
  const size = bytesPerElement[dtype]!;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const exponent = exponents[dtype];
  for (let offset = 0; offset < bytes.byteLength; offset += size) {
    const bits = size === 2 ? view.getUint16(offset, true) : view.getUint32(offset, true);
    if ((bits & exponent) >>> 0 === exponent) return offset / size;
  }
  return -1;
}
