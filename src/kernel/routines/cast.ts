import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyIn, copyOut, dtypeCode, eachSlab, Layout, rowsOfSlab } from "../arena.ts";
import { bytesPerElement, type FloatDtype } from "../dtype.ts";
import type { Routine } from "../routine.ts";
import { struct } from "../struct.ts";
import { checkDtype } from "../width.ts";

/** Elements of any shape, to be stored in another float dtype. */
export interface CastJob {
  /** Little-endian, in `from`. */
  readonly weights: Uint8Array;
  readonly from: FloatDtype;
  readonly to: FloatDtype;
  /** Overwritten: as many elements in `to`. */
  readonly out: Uint8Array<SharedArrayBuffer>;
}

export const CastCall = struct({
  elements: "usize",
  from: "usize",
  count: "usize",
  to: "usize",
  out: "usize",
});

/**
 * Rounds to nearest, half to even; NaN stays NaN. Gives how many results are NaN or infinite,
 * whether they were before or the narrower range made them so.
 */
export const cast: Routine<CastJob, { readonly nonFinite: number }> = {
  describe: ({ weights, from, to }) => `cast of ${weights.byteLength} bytes ${from} to ${to}`,
  check({ weights, from, to, out }, fail) {
    for (const dtype of [from, to]) checkDtype(dtype, fail);
    const count = weights.byteLength / bytesPerElement[from]!;
    if (!Number.isInteger(count)) fail("weights end within an element");
    const expected = count * bytesPerElement[to]!;
    if (out.byteLength !== expected)
      fail(`the output has ${out.byteLength} bytes, expected ${expected}`);
  },
  run({ weights, from, to, out }) {
    const [fromBytes, toBytes] = [bytesPerElement[from]!, bytesPerElement[to]!];
    const count = weights.byteLength / fromBytes;
    const slab = rowsOfSlab(count, fromBytes);
    const layout = new Layout();
    const atCall = layout.place(CastCall.bytes);
    const [atElements, atOut] = [layout.place(slab * fromBytes), layout.place(slab * toBytes)];
    const base = layout.claim();
    let nonFinite = 0;
    eachSlab(count, slab, (start, end) => {
      copyIn(base + atElements, weights, start * fromBytes, end * fromBytes);
      CastCall.write(base + atCall, {
        elements: base + atElements,
        from: dtypeCode[from],
        count: end - start,
        to: dtypeCode[to],
        out: base + atOut,
      });
      nonFinite += wasm.cast(base + atCall);
      copyOut(base + atOut, out, start * toBytes, end * toBytes);
    });
    return { nonFinite };
  },
};
