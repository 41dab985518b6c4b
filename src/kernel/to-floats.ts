import type { FloatDtype } from "./dtype.ts";
import type { Kernel } from "./kernel-types.ts";

/** Converts elements of any float dtype to float32. */
export async function toFloats(
  weights: Uint8Array<SharedArrayBuffer>,
  from: FloatDtype,
  kernel: Kernel,
) {
  const { bytes } = await kernel.cast({ weights, from, to: "F32" });
  return new Float32Array(
    bytes.buffer as SharedArrayBuffer,
    bytes.byteOffset,
    bytes.byteLength / 4,
  );
}
