import { bytesPerElement } from "./dtype.ts";
import type { Kernel } from "./kernel-types.ts";
import { inShared, sharedBytes } from "./matrix.ts";
import type { CodedRows, Decoded } from "./routines/decode.ts";

export interface DecodedRows extends Decoded {
  /** `[rows, columns]` elements in `dtype`, little-endian. */
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly dtype: "BF16" | "F32";
}

/**
 * Decodes rows of narrow floats or integers with scales (FP8, MXFP4, int4) in one job.
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
  const found = await kernel.run("decode", {
    ...rows,
    codes: inShared(rows.codes),
    scales: inShared(rows.scales),
    ...(rows.zeros !== undefined && { zeros: inShared(rows.zeros) }),
    to: dtype,
    out,
  });
  return { bytes: out, dtype, ...found };
}
