import { countShared } from "./collect.ts";
import { bytesPerElement, type FloatDtype } from "./dtype.ts";
import type { Fail } from "./routine.ts";

/** Float32 values in shared memory. */
export type Floats = Float32Array<SharedArrayBuffer>;

/** Float32 `[rows, columns]` in host memory that workers share, row-major. */
export interface Matrix {
  readonly data: Float32Array<SharedArrayBuffer>;
  readonly rows: number;
  readonly columns: number;
}

/**
 * A weight as a checkpoint stores it: `[rows, columns]`, row-major, little-endian. `rows` = output
 * width, `columns` = input width.
 */
export interface Weight {
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly dtype: FloatDtype;
  readonly rows: number;
  readonly columns: number;
  /** The codes of the same rows. Absent: the base has none that MLX reads, or they were left. */
  readonly codes?: Mxfp4Rows;
}

/** Rows of a base that is published as mxfp4, bit for bit. MLX stores them the same way. */
export interface Mxfp4Rows {
  /** E2M1, two a byte, lower half first: `[rows, columns / 2]` bytes. */
  readonly words: Uint8Array<SharedArrayBuffer>;
  /** E8M0, one a byte: `[rows, columns / 32]`. */
  readonly scales: Uint8Array<SharedArrayBuffer>;
}

/** A matrix of zeros. */
export function newMatrix(rows: number, columns: number): Matrix {
  return { data: sharedFloats(rows * columns), rows, columns };
}

/** Rows `[start, end)`: the same memory. */
export function rowsOf({ data, columns }: Matrix, start: number, end: number): Matrix {
  return { data: data.subarray(start * columns, end * columns), rows: end - start, columns };
}

/** Copies all values of a matrix into another one of the same shape. */
export function copyMatrix(from: Matrix, into: Matrix): void {
  const [source, target] = [from, into].map(({ data }) =>
    Buffer.from(data.buffer, data.byteOffset, data.byteLength),
  ) as [Buffer, Buffer];
  source.copy(target); // much faster than `set` in shared memory
}

/** Sets all values to 0. Gives the matrix. */
export function clear(matrix: Matrix): Matrix {
  const { buffer, byteOffset, byteLength } = matrix.data;
  Buffer.from(buffer, byteOffset, byteLength).fill(0); // much faster than that of a typed array
  return matrix;
}

/** Output rows `[start, end)` of a weight, without codes: the same memory. */
export function weightRows({ bytes, dtype, columns }: Weight, start: number, end: number): Weight {
  const rowBytes = columns * bytesPerElement[dtype]!;
  return {
    bytes: bytes.subarray(start * rowBytes, end * rowBytes),
    dtype,
    rows: end - start,
    columns,
  };
}

/** Weights one below the other as one weight, without codes. A single one is not copied. */
export function joinRows(parts: readonly Weight[]): Weight {
  const [first] = parts;
  if (first === undefined) throw new RangeError("no parts to join");
  if (parts.length === 1) return first;
  const bytes = sharedBytes(parts.reduce((sum, part) => sum + part.bytes.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part.bytes, at);
    at += part.bytes.length;
  }
  return { ...first, bytes, rows: parts.reduce((sum, { rows }) => sum + rows, 0) };
}

/** The bytes of a typed array: the same memory. */
export function bytesOf({
  buffer,
  byteOffset,
  byteLength,
}: ArrayBufferView<SharedArrayBuffer>): Uint8Array<SharedArrayBuffer> {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Flat float32 values as a weight with `columns` columns: the same memory. */
export function asWeight(values: Float32Array<SharedArrayBuffer>, columns: number): Weight {
  return { bytes: bytesOf(values), dtype: "F32", rows: values.length / columns, columns };
}

/** The values of a float32 weight: the same memory. */
export function floatsOf({
  bytes: { buffer, byteOffset, byteLength },
}: Weight): Float32Array<SharedArrayBuffer> {
  return new Float32Array(buffer, byteOffset, byteLength / 4);
}

export function sharedFloats(count: number): Float32Array<SharedArrayBuffer> {
  return new Float32Array(shared(4 * count));
}

export function sharedDoubles(count: number): Float64Array<SharedArrayBuffer> {
  return new Float64Array(shared(8 * count));
}

export function sharedIntegers(count: number): Uint32Array<SharedArrayBuffer> {
  return new Uint32Array(shared(4 * count));
}

export function sharedBytes(count: number): Uint8Array<SharedArrayBuffer> {
  return new Uint8Array(shared(count));
}

/** The bytes themselves if they lie in shared memory, else a copy in shared memory. */
export function inShared(bytes: Uint8Array): Uint8Array<SharedArrayBuffer> {
  if (isShared(bytes)) return bytes;
  const copy = sharedBytes(bytes.byteLength);
  copy.set(bytes);
  return copy;
}

function isShared(bytes: Uint8Array): bytes is Uint8Array<SharedArrayBuffer> {
  return bytes.buffer instanceof SharedArrayBuffer;
}

function shared(bytes: number): SharedArrayBuffer {
  countShared(bytes);
  return new SharedArrayBuffer(bytes);
}

/** Calls `fail` where a job's matrix, or its memory, has another shape than `[rows, columns]`. */
export function checkMatrix(
  name: string,
  matrix: Matrix,
  [rows, columns]: readonly [number, number],
  fail: Fail,
): void {
  if (matrix.rows !== rows || matrix.columns !== columns)
    fail(`${name} is ${matrix.rows}x${matrix.columns}, expected ${rows}x${columns}`);
  if (matrix.data.length !== rows * columns)
    fail(`${name} has ${matrix.data.length} elements for ${rows}x${columns}`);
}

/** Calls `fail` where a row number lies outside of the matrix. */
export function checkRows(rows: Uint32Array, matrix: Matrix, fail: Fail): void {
  if (rows.some((row) => row >= matrix.rows)) fail(`a row number outside the ${matrix.rows} rows`);
}
