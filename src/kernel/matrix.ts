import { bytesPerElement, type FloatDtype } from "./dtype.ts";

/** Float32 `[rows, columns]` in host memory that workers share, row-major. */
export interface Matrix {
  readonly data: Float32Array<SharedArrayBuffer>;
  readonly rows: number;
  readonly columns: number;
}

/** A weight as a checkpoint stores it: `[rows, columns]`, row-major, little-endian. `rows` = output width, `columns` = input width. */
export interface Weight {
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly dtype: FloatDtype;
  readonly rows: number;
  readonly columns: number;
}

/** A matrix of zeros. */
export function newMatrix(rows: number, columns: number): Matrix {
  return { data: sharedFloats(rows * columns), rows, columns };
}

/** Rows `[start, end)`: the same memory. */
export function rowsOf({ data, columns }: Matrix, start: number, end: number): Matrix {
  return { data: data.subarray(start * columns, end * columns), rows: end - start, columns };
}

/** Output rows `[start, end)` of a weight: the same memory. */
export function weightRows({ bytes, dtype, columns }: Weight, start: number, end: number): Weight {
  const rowBytes = columns * bytesPerElement[dtype]!;
  return { bytes: bytes.subarray(start * rowBytes, end * rowBytes), dtype, rows: end - start, columns };
}

export function sharedFloats(count: number): Float32Array<SharedArrayBuffer> {
  return new Float32Array(new SharedArrayBuffer(4 * count));
}

export function sharedIntegers(count: number): Uint32Array<SharedArrayBuffer> {
  return new Uint32Array(new SharedArrayBuffer(4 * count));
}

export function sharedBytes(count: number): Uint8Array<SharedArrayBuffer> {
  return new Uint8Array(new SharedArrayBuffer(count));
}
