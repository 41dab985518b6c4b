import { bytesPerElement, type FloatDtype } from "./dtype.ts";
import type { Fail } from "./routine.ts";
import type { Width } from "./width.ts";

/** Rows quantized at one width, as MLX stores them: little-endian, row-major. */
export interface Packed<Bytes extends Uint8Array = Uint8Array> {
  /** Codes, U32 `[rows, columns * bits / 32]`. */
  readonly words: Bytes;
  /** `[rows, columns / groupSize]` in the dtype of the file. */
  readonly scales: Bytes;
  /** As `scales`. */
  readonly biases: Bytes;
}

/** The parts in the order in which they are stored. */
export const packedParts = ["words", "scales", "biases"] as const;

/** Size of each part in bytes. */
export function packedBytes(
  { rows, columns }: { readonly rows: number; readonly columns: number },
  { bits, groupSize }: Width,
  store: FloatDtype,
): { readonly words: number; readonly scales: number; readonly biases: number } {
  const pairs = ((rows * columns) / groupSize) * bytesPerElement[store]!;
  return { words: (rows * columns * bits) / 8, scales: pairs, biases: pairs };
}

/** Calls `fail` where a part has another size than `expected`. */
export function checkPacked(packed: Packed, expected: ReturnType<typeof packedBytes>, fail: Fail) {
  for (const part of packedParts) {
    if (packed[part].byteLength !== expected[part])
      fail(`${part} have ${packed[part].byteLength} bytes, expected ${expected[part]}`);
  }
}
