import * as wasm from "../../kernel-wasm/pkg/oqe_kernel.js";
import type { FloatDtype } from "./dtype.ts";
import { bytesOf, type Matrix } from "./matrix.ts";
import type { Tile } from "./tiles.ts";
import { rowOf } from "./triangle.ts";

/**
 * This thread's WebAssembly memory. Routines copy their operands from host memory into the arena,
 * call the kernel with addresses, and copy results out. Only this file, struct.ts and routines/ use
 * addresses.
 */
export let memory: WebAssembly.Memory;

/** Codes of the dtypes in exports.rs. */
export const dtypeCode: Readonly<Record<FloatDtype, number>> = { BF16: 0, F16: 1, F32: 2 };

/** Gives this thread its private instance. Call it once, before any job. */
export function instantiate(module: WebAssembly.Module): void {
  memory = wasm.initSync({ module }).memory;
}

/** What one allocation of Rust may take where addresses have 32 bits. */
const mostOfArena = 2 ** 31 - 64;

/** Offsets of a job's operands within the arena, each at its own cache line. */
export class Layout {
  size = 0;

  place(bytes: number): number {
    const offset = this.size;
    this.size = Math.ceil((offset + bytes) / 64) * 64;
    return offset;
  }

  /** Address of an arena of this size. Earlier views of the memory become invalid. */
  claim(): number {
    if (this.size > mostOfArena)
      throw new Error(`${this.size} bytes for one row exceed the 2 GiB of a worker's memory`);
    return wasm.arena(this.size) >>> 0;
  }
}

/** How many of `rows` rows of `rowBytes` bytes fit a core's second-level cache, at least 1. */
export function rowsOfSlab(rows: number, rowBytes: number): number {
  return Math.min(rows, Math.max(1, Math.floor(slabBytes / rowBytes)));
}

const slabBytes = 128 * 1024;

/** Visits `[start, end)` of `count` rows, `step` at a time. */
export function eachSlab(
  count: number,
  step: number,
  visit: (start: number, end: number) => void,
): void {
  for (let start = 0; start < count; start += step) visit(start, Math.min(count, start + step));
}

/** Copies bytes `[start, end)` of host memory into the arena. */
export function copyIn(address: number, from: Uint8Array, start: number, end: number): void {
  asBuffer(from).copy(Buffer.from(memory.buffer, address, end - start), 0, start, end);
}

/** Copies from the arena to bytes `[start, end)` of host memory. */
export function copyOut(address: number, into: Uint8Array, start: number, end: number): void {
  Buffer.from(memory.buffer, address, end - start).copy(asBuffer(into), start);
}

/**
 * Rows `[top, bottom)`, columns `[left, right)` of a float32 matrix in host memory, row-major with
 * `columns` elements a row.
 */
export interface Rectangle {
  readonly data: Float32Array<SharedArrayBuffer>;
  readonly columns: number;
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
  /** If given, row i is row `rows[i]` of the matrix. */
  readonly rows?: Uint32Array<SharedArrayBuffer> | null;
}

/** Copies a rectangle into the arena, its rows one after the other. */
export function copyRectangleIn(
  address: number,
  { data, columns, top, bottom, left, right, rows }: Rectangle,
): void {
  const bytes = 4 * (right - left);
  const host = asBuffer(bytesOf(data));
  const arena = Buffer.from(memory.buffer, address, (bottom - top) * bytes);
  if (!rows && right - left === columns) {
    host.copy(arena, 0, top * bytes, bottom * bytes);
    return;
  }
  for (let i = top; i < bottom; i++) {
    const start = 4 * ((rows ? rows[i]! : i) * columns + left);
    host.copy(arena, (i - top) * bytes, start, start + bytes);
  }
}

/** Copies from the arena to a rectangle. */
export function copyRectangleOut(address: number, rectangle: Omit<Rectangle, "rows">): void {
  const { data, columns, top, bottom, left, right } = rectangle;
  const bytes = 4 * (right - left);
  const host = asBuffer(bytesOf(data));
  const arena = Buffer.from(memory.buffer, address, (bottom - top) * bytes);
  if (right - left === columns) {
    arena.copy(host, top * bytes);
    return;
  }
  for (let i = 0; i < bottom - top; i++)
    arena.copy(host, 4 * ((top + i) * columns + left), i * bytes, (i + 1) * bytes);
}

/** Copies rows `[top, bottom)` of a matrix into the arena. */
export function copyRowsIn(
  address: number,
  { data, columns }: Matrix,
  top: number,
  bottom: number,
): void {
  copyRectangleIn(address, { data, columns, top, bottom, left: 0, right: columns });
}

/** Copies from the arena to rows `[top, bottom)` of a matrix. */
export function copyRowsOut(
  address: number,
  { data, columns }: Matrix,
  top: number,
  bottom: number,
): void {
  copyRectangleOut(address, { data, columns, top, bottom, left: 0, right: columns });
}

/** Copies consecutive rows in the arena to the rows `rows` of a matrix. */
export function scatterRows(
  address: number,
  { data, columns }: Matrix,
  rows: ArrayLike<number>,
): void {
  const bytes = 4 * columns;
  const host = asBuffer(bytesOf(data));
  const arena = Buffer.from(memory.buffer, address, rows.length * bytes);
  for (let i = 0; i < rows.length; i++)
    arena.copy(host, rows[i]! * bytes, i * bytes, (i + 1) * bytes);
}

/** A part of an upper triangle (triangle.ts) in host memory. */
export interface TrianglePart extends Tile {
  readonly data: Float32Array<SharedArrayBuffer>;
}

/** Copies a part into the arena, its rows one after the other. What lies below is left out. */
export function copyTriangleIn(address: number, part: TrianglePart): void {
  const { host, arena } = buffersOf(address, part);
  eachRow(part, (from, to, bytes) => host.copy(arena, to, from, from + bytes));
}

/** Copies from the arena to a part. */
export function copyTriangleOut(address: number, part: TrianglePart): void {
  const { host, arena } = buffersOf(address, part);
  eachRow(part, (to, from, bytes) => arena.copy(host, to, from, from + bytes));
}

/** The rows of a part alone: a Buffer of Node 20 has at most 4 GiB. */
function buffersOf(address: number, part: TrianglePart) {
  const { data, d, top, bottom, left, right } = part;
  const [start, end] = [placeOf(part, top), rowOf(d, Math.min(bottom, right) - 1) + right];
  const bytes = Math.max(0, 4 * (end - start));
  return {
    host: Buffer.from(data.buffer, data.byteOffset + 4 * start, bytes),
    arena: Buffer.from(memory.buffer, address, 4 * (bottom - top) * (right - left)),
  };
}

/** Where a row of a part starts in its triangle. */
function placeOf({ d, left }: TrianglePart, row: number): number {
  return rowOf(d, row) + Math.max(left, row);
}

/** Visits the bytes of each row of a part: from its first one in host memory, and in the arena. */
function eachRow(
  part: TrianglePart,
  visit: (inHost: number, inArena: number, bytes: number) => void,
): void {
  const { top, bottom, left, right } = part;
  const start = placeOf(part, top);
  for (let i = top; i < Math.min(bottom, right); i++) {
    const skipped = Math.max(0, i - left);
    const inArena = 4 * ((i - top) * (right - left) + skipped);
    visit(4 * (placeOf(part, i) - start), inArena, 4 * (right - left - skipped));
  }
}

/**
 * The same memory as a Buffer. A Buffer copies shared memory in bulk; a typed array's `set` copies
 * it word by word.
 */
function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
