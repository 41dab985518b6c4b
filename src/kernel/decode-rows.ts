import { bytesPerElement } from "./dtype.ts";
import type { Kernel } from "./kernel-types.ts";
import { inShared, sharedBytes } from "./matrix.ts";
import type { CodedRows } from "./routines/decode.ts";

export interface DecodedRows {
  /** `[rows, columns]` elements in `dtype`, little-endian. */
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly dtype: "BF16" | "F32";
  /** NaN and ±Inf among the elements. */
  readonly nonFinite: number;
}

/**
 * Decodes rows of narrow floats with scales (FP8, MXFP4) in one job.
 *
 * Each element is code · scale in float32, rounded once. As F32 it stays so; as BF16 it is then
 * rounded to nearest, half to even. MXFP4 loses nothing in either, except below BF16's smallest
 * value. Codes and scales over a SharedArrayBuffer are read in place; others are copied.
 * Throws INTERNAL where codes or scales have another length than the shape says.
 */
export async function decodeRows(
  kernel: Kernel,
  rows: CodedRows,
  dtype: "BF16" | "F32",
): Promise<DecodedRows> {
  const out = sharedBytes(rows.rows * rows.columns * bytesPerElement[dtype]!);
  const { nonFinite } = await kernel.run("decode", {
    ...rows,
    codes: inShared(rows.codes),
    scales: inShared(rows.scales),
    to: dtype,
    out,
  });
  return { bytes: out, dtype, nonFinite };
}
