import { bytesPerElement, type FloatDtype } from "../kernel/dtype.ts";
import { type Mxfp4Rows, sharedBytes } from "../kernel/matrix.ts";
import { rowStart, type Source } from "../models/source.ts";

/** Values of consecutive elements `[from, to)` of a base tensor. */
export interface BasePart {
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly dtype: FloatDtype;
  readonly from: number;
  readonly to: number;
}

/** Values that were decoded, with the codes and scales of the same rows. */
export interface CodedPart extends BasePart {
  readonly codes: Uint8Array;
  readonly scales: Uint8Array;
}

/**
 * Copies the codes and scales of rows `[start, end)` of a view together. The view has whole rows of
 * codes (keepsMxfp4).
 */
export function copyCodes(
  { codes, scales, from: origin, to }: CodedPart,
  source: Source,
  start: number,
  end: number,
): Mxfp4Rows {
  const columns = source.shape.at(-1)!;
  const read = (to - origin) / columns;
  const copy = (bytes: Uint8Array) => {
    const each = bytes.length / read;
    const rows = sharedBytes((end - start) * each);
    for (let row = start; row < end; row++) {
      const from = ((rowStart(source, row) - origin) / columns) * each;
      rows.set(bytes.subarray(from, from + each), (row - start) * each);
    }
    return rows;
  };
  return { words: copy(codes), scales: copy(scales) };
}

/** Rows that are copied side by side, so that a cache line of a transposed matrix is read once. */
const rowsAtOnce = 16;

/**
 * Copies rows `[start, end)` of a view together, out of the part of the base tensor that is in
 * memory. Bits stay as they are.
 */
export function copyRows(
  { bytes, dtype, from: origin }: BasePart,
  source: Source,
  start: number,
  end: number,
): Uint8Array<SharedArrayBuffer> {
  const rows = end - start;
  const columns = source.shape.at(-1)!;
  const size = bytesPerElement[dtype]!;
  const copy = sharedBytes(rows * columns * size);
  const [from, to] = [elementsOf(bytes, size), elementsOf(copy, size)];
  const offsetOf = (row: number) => rowStart(source, start + row) - origin;
  const stride = source.strides.at(-1)!;
  if (stride === 1) {
    for (let row = 0; row < rows; row++)
      to.set(from.subarray(offsetOf(row), offsetOf(row) + columns), row * columns);
    return copy;
  }
  for (let top = 0; top < rows; top += rowsAtOnce) {
    const bottom = Math.min(rows, top + rowsAtOnce);
    const offsets = Array.from({ length: bottom - top }, (_, i) => offsetOf(top + i));
    for (let column = 0; column < columns; column++) {
      for (let row = top; row < bottom; row++)
        to[row * columns + column] = from[offsets[row - top]! + column * stride]!;
    }
  }
  return copy;
}

function elementsOf(
  { buffer, byteOffset, byteLength }: Uint8Array<SharedArrayBuffer>,
  size: number,
): Uint16Array | Uint32Array {
  return size === 2
    ? new Uint16Array(buffer, byteOffset, byteLength / 2)
    : new Uint32Array(buffer, byteOffset, byteLength / 4);
}
