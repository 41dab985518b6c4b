import { sharedBytes } from "../kernel/matrix.ts";
import { rowStart, type Source } from "../models/source.ts";

/** Rows `[start, end)` of a view of a base tensor, of which a part is in memory. */
export interface CopyJob {
  readonly source: Source;
  /** Element of the base tensor that the bytes in memory start at. */
  readonly first: number;
  /** Bytes per element: 2 or 4. */
  readonly size: number;
  readonly start: number;
  readonly end: number;
}

/** Rows that are copied side by side, so that a cache line of a transposed matrix is read once. */
const rowsAtOnce = 16;

/** Copies rows together, `[end - start, columns]`. Bits stay as they are. */
export function copyRows(
  bytes: Uint8Array<SharedArrayBuffer>,
  job: CopyJob,
): Uint8Array<SharedArrayBuffer> {
  const columns = job.source.shape.at(-1)!;
  const copy = sharedBytes((job.end - job.start) * columns * job.size);
  const [from, to] = [bytes, copy].map((part) =>
    job.size === 2
      ? new Uint16Array(part.buffer, part.byteOffset, part.byteLength / 2)
      : new Uint32Array(part.buffer, part.byteOffset, part.byteLength / 4),
  ) as [Uint16Array | Uint32Array, Uint16Array | Uint32Array];
  const stride = job.source.strides.at(-1)!;
  const offsetOf = (row: number) => rowStart(job.source, job.start + row) - job.first;
  const rows = job.end - job.start;
  if (stride === 1) {
    for (let row = 0; row < rows; row++)
      to.set(from.subarray(offsetOf(row), offsetOf(row) + columns), row * columns);
    return copy;
  }
  for (let top = 0; top < rows; top += rowsAtOnce) {
    const bottom = Math.min(rows, top + rowsAtOnce);
    for (let row = top; row < bottom; row++) offsets[row - top] = offsetOf(row);
    for (let column = 0; column < columns; column++) {
      for (let row = top; row < bottom; row++)
        to[row * columns + column] = from[offsets[row - top]! + column * stride]!;
    }
  }
  return copy;
}

const offsets = new Float64Array(rowsAtOnce);
