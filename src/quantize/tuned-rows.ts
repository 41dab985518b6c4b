import type { FloatDtype } from "../kernel/dtype.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { sharedBytes, type Weight } from "../kernel/matrix.ts";
import type { Width } from "../kernel/width.ts";
import type { TierSink } from "../mlx/tier-sink.ts";

/** Rows of one width as they are stored. */
export interface TunedRows {
  readonly width: Width;
  readonly start: number;
  readonly rows: number;
  readonly words: Uint8Array<SharedArrayBuffer>;
  readonly scales: Uint8Array<SharedArrayBuffer>;
  readonly biases: Uint8Array<SharedArrayBuffer>;
}

/** In memory of its own. */
export function copyOf(part: TunedRows): TunedRows {
  const copy = (bytes: Uint8Array) => {
    const own = sharedBytes(bytes.byteLength);
    own.set(bytes);
    return own;
  };
  return { ...part, words: copy(part.words), scales: copy(part.scales), biases: copy(part.biases) };
}

/** Float32 of what is stored: the whole matrix `[rows, columns]` that the parts are of. */
export async function decodeRows(
  kernel: Kernel,
  parts: readonly TunedRows[],
  {
    rows,
    columns,
    store,
  }: { readonly rows: number; readonly columns: number; readonly store: FloatDtype },
): Promise<Weight> {
  const bytes = sharedBytes(4 * rows * columns);
  for (const { width, start, rows: count, words, scales, biases } of parts) {
    const values = await kernel.dequantize({
      words,
      scales,
      biases,
      store,
      rows: count,
      columns,
      ...width,
    });
    bytes.set(
      new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
      4 * start * columns,
    );
  }
  return { bytes, dtype: "F32", rows, columns };
}

/** Writes them to their places below `firstRow` of the module's tensors. */
export async function writeRows(
  sink: TierSink,
  path: string,
  firstRow: number,
  part: TunedRows,
): Promise<void> {
  const { start, rows } = part;
  for (const [name, bytes] of [
    ["weight", part.words],
    ["scales", part.scales],
    ["biases", part.biases],
  ] as const) {
    await sink.write(`${path}.${name}`, (firstRow + start) * (bytes.byteLength / rows), bytes);
  }
}
