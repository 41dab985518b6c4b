import type { FloatDtype } from "../kernel/dtype.ts";
import { bytesPerElement } from "../kernel/dtype.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { asWeight, newMatrix, rowsOf, sharedBytes, type Weight } from "../kernel/matrix.ts";
import type { Width } from "../kernel/width.ts";

/**
 * Some rows of a matrix at one width, as they are stored: codes (packed in words), scales, biases.
 */
export interface TunedRows {
  readonly width: Width;
  /** Number of the first row within the matrix. */
  readonly start: number;
  readonly rows: number;
  readonly words: Uint8Array<SharedArrayBuffer>;
  readonly scales: Uint8Array<SharedArrayBuffer>;
  readonly biases: Uint8Array<SharedArrayBuffer>;
}

/** Shape and dtypes, as decoding needs them. */
interface Stored {
  readonly columns: number;
  /** Dtype of scales and biases. */
  readonly store: FloatDtype;
}

/** Memory for a whole matrix `[rows, columns]` at one width. */
export function newTunedRows(
  width: Width,
  { rows, columns, store }: Stored & { readonly rows: number },
): TunedRows {
  const pairs = ((rows * columns) / width.groupSize) * bytesPerElement[store]!;
  const words = sharedBytes((rows * columns * width.bits) / 8);
  return { width, start: 0, rows, words, scales: sharedBytes(pairs), biases: sharedBytes(pairs) };
}

/** The same rows in memory of their own. */
export function copyOf(part: TunedRows): TunedRows {
  const copy = (bytes: Uint8Array) => {
    const own = sharedBytes(bytes.byteLength);
    own.set(bytes);
    return own;
  };
  return { ...part, words: copy(part.words), scales: copy(part.scales), biases: copy(part.biases) };
}

/** The values `[rows, columns]` that some stored rows decode to. */
export function decodeRows(
  kernel: Kernel,
  { width, rows, words, scales, biases }: TunedRows,
  stored: Stored,
): Promise<Float32Array> {
  return kernel.dequantize({ words, scales, biases, rows, ...stored, ...width });
}

/**
 * The float32 matrix `[rows, columns]` that its parts decode to, or rows `[start, end)` of it.
 * Default: all rows.
 */
export async function decodeMatrix(
  kernel: Kernel,
  parts: readonly TunedRows[],
  stored: Stored,
  range?: readonly [start: number, end: number],
): Promise<Weight> {
  const { columns } = stored;
  const [start, end] = range ?? [0, parts.reduce((sum, { rows }) => sum + rows, 0)];
  const whole = newMatrix(end - start, columns);
  for (const part of parts) {
    const from = Math.max(start, part.start);
    const to = Math.min(end, part.start + part.rows);
    if (from >= to) continue;
    const some = someRows(part, from - part.start, to - part.start);
    const place = rowsOf(whole, from - start, to - start);
    place.data.set(await decodeRows(kernel, some, stored));
  }
  return asWeight(whole.data, columns);
}

/** Rows `[start, end)` of a part: the same memory. */
function someRows(part: TunedRows, start: number, end: number): TunedRows {
  const cut = (bytes: TunedRows["words"]) => {
    const each = bytes.length / part.rows;
    return bytes.subarray(start * each, end * each);
  };
  const { words, scales, biases } = part;
  return {
    ...{ width: part.width, start: part.start + start, rows: end - start },
    ...{ words: cut(words), scales: cut(scales), biases: cut(biases) },
  };
}
