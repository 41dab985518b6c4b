import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyIn, copyOut, dtypeCode, eachSlab, Layout, rowsOfSlab } from "../arena.ts";
import { bytesPerElement, type FloatDtype } from "../dtype.ts";
import { checkPacked, type Packed, packedBytes, packedParts } from "../packed.ts";
import type { Fail, Routine } from "../routine.ts";
import { struct } from "../struct.ts";
import { checkDtype, checkShape, checkWidth, type Rounding, type Width } from "../width.ts";

/** Some rows of a matrix, to be quantized at several widths in one pass over its bytes. */
export interface QuantizeRows {
  /** Elements of the base, `[rows, columns]` in `from`, row-major, little-endian. */
  readonly weights: Uint8Array;
  readonly from: FloatDtype;
  readonly rows: number;
  /** A multiple of every group size. */
  readonly columns: number;
  /** Dtype of scales and biases as stored. */
  readonly store: FloatDtype;
  readonly rounding: Rounding;
  readonly widths: readonly Width[];
}

export interface QuantizeJob extends QuantizeRows {
  /** Overwritten: the result at each width, in the order of `widths`. */
  readonly out: readonly Packed[];
}

export interface QuantizeAnswer {
  /** Σ w² over the rows, added up in order, accurate to a millionth. */
  readonly energy: number;
  /**
   * NaN and ±Inf in the base or, with rule mlx, after the cast to `store`. A base with any cannot
   * be quantized.
   */
  readonly nonFinite: number;
  /** Σ (w - ŵ)² at each width, ŵ from the values as stored; as accurate as `energy`. */
  readonly squaredErrors: readonly number[];
}

export const QuantizeCall = struct({
  weights: "usize",
  from: "usize",
  rows: "usize",
  columns: "usize",
  store: "usize",
  mlx: "usize",
  widths: "usize",
  count: "usize",
  energy: "f64",
  nonFinite: "f64",
});

/** One of the widths of a QuantizeCall. */
export const WidthCall = struct({
  bits: "usize",
  groupSize: "usize",
  words: "usize",
  scales: "usize",
  biases: "usize",
  squaredError: "f64",
});

export function describeQuantize({ rows, columns, from, widths }: QuantizeRows): string {
  const all = widths.map(({ bits, groupSize }) => `${bits} bits g${groupSize}`).join(", ");
  return `quantize of ${rows}x${columns} ${from} at ${all}`;
}

/** Checks everything but the outputs. */
export function checkQuantize(job: QuantizeRows, fail: Fail): void {
  const { weights, from, rows, columns, store, widths } = job;
  checkShape(job, fail);
  for (const dtype of [store, from]) checkDtype(dtype, fail);
  const expected = rows * columns * bytesPerElement[from]!;
  if (weights.byteLength !== expected)
    fail(`weights have ${weights.byteLength} bytes, expected ${expected}`);
  for (const width of widths) checkWidth(width, columns, fail);
}

/** Copies slabs of rows through the arena, so there may be any number of them. */
export const quantize: Routine<QuantizeJob, QuantizeAnswer> = {
  describe: describeQuantize,
  check(job, fail) {
    checkQuantize(job, fail);
    if (job.out.length !== job.widths.length)
      fail(`${job.out.length} outputs for ${job.widths.length} widths`);
    for (const [i, width] of job.widths.entries())
      checkPacked(job.out[i]!, packedBytes(job, width, job.store), fail);
  },
  run(job) {
    const { rows, columns, widths } = job;
    const rowBytes = columns * bytesPerElement[job.from]!;
    const slab = rowsOfSlab(rows, rowBytes);
    const layout = new Layout();
    const [atCall, atWidths] = [
      layout.place(QuantizeCall.bytes),
      layout.place(WidthCall.bytes * widths.length),
    ];
    const atWeights = layout.place(slab * rowBytes);
    const outputs = job.out.map((packed) =>
      packedParts.map((part) => {
        const each = packed[part].byteLength / rows;
        return { bytes: packed[part], each, offset: layout.place(slab * each) };
      }),
    );
    const base = layout.claim();
    const widthAt = (i: number) => base + atWidths + i * WidthCall.bytes;
    for (const [i, { bits, groupSize }] of widths.entries()) {
      const [words, scales, biases] = outputs[i]!.map(({ offset }) => base + offset) as Three;
      WidthCall.write(widthAt(i), { bits, groupSize, words, scales, biases, squaredError: 0 });
    }
    let sums = { energy: 0, nonFinite: 0 };
    eachSlab(rows, slab, (start, end) => {
      copyIn(base + atWeights, job.weights, start * rowBytes, end * rowBytes);
      QuantizeCall.write(base + atCall, {
        weights: base + atWeights,
        from: dtypeCode[job.from],
        rows: end - start,
        columns,
        store: dtypeCode[job.store],
        mlx: Number(job.rounding === "mlx"),
        widths: base + atWidths,
        count: widths.length,
        ...sums,
      });
      wasm.quantize(base + atCall);
      const { energy, nonFinite } = QuantizeCall.read(base + atCall);
      sums = { energy, nonFinite };
      for (const { bytes, each, offset } of outputs.flat())
        copyOut(base + offset, bytes, start * each, end * each);
    });
    const squaredErrors = widths.map((_, i) => WidthCall.read(widthAt(i)).squaredError);
    return { ...sums, squaredErrors };
  },
};

type Three = [number, number, number];
