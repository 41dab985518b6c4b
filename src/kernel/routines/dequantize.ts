import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyIn, copyOut, dtypeCode, eachSlab, Layout, rowsOfSlab } from "../arena.ts";
import type { FloatDtype } from "../dtype.ts";
import { bytesOf } from "../matrix.ts";
import { checkPacked, type Packed, packedBytes, packedParts } from "../packed.ts";
import type { Routine } from "../routine.ts";
import { struct } from "../struct.ts";
import { checkDtype, checkShape, checkWidth, type Width } from "../width.ts";

/** Packed rows `[rows, columns]`, to be decoded. */
export interface PackedRows extends Packed, Width {
  readonly store: FloatDtype;
  readonly rows: number;
  readonly columns: number;
}

export interface DequantizeJob extends PackedRows {
  /** Overwritten: `[rows, columns]`. */
  readonly out: Float32Array<SharedArrayBuffer>;
}

export const DequantizeCall = struct({
  bits: "usize",
  groupSize: "usize",
  words: "usize",
  scales: "usize",
  biases: "usize",
  store: "usize",
  count: "usize",
  out: "usize",
});

/** code · scale + bias in float32: the product is rounded, then the sum. */
export const dequantize: Routine<DequantizeJob, void> = {
  describe: ({ rows, columns, store, bits, groupSize }) =>
    `dequantize of ${rows}x${columns} ${store} at ${bits} bits g${groupSize}`,
  check(job, fail) {
    checkShape(job, fail);
    checkDtype(job.store, fail);
    checkWidth(job, job.columns, fail);
    checkPacked(job, packedBytes(job, job, job.store), fail);
    if (job.out.length !== job.rows * job.columns)
      fail(`the output has ${job.out.length} elements`);
  },
  run(job) {
    const { rows, columns, bits, groupSize, store } = job;
    const rowBytes = 4 * columns;
    const slab = rowsOfSlab(rows, rowBytes);
    const layout = new Layout();
    const atCall = layout.place(DequantizeCall.bytes);
    const operands = packedParts.map((part) => {
      const each = job[part].byteLength / rows;
      return { from: job[part], each, offset: layout.place(slab * each) };
    });
    const atOut = layout.place(slab * rowBytes);
    const base = layout.claim();
    const [words, scales, biases] = operands.map(({ offset }) => base + offset) as Three;
    eachSlab(rows, slab, (start, end) => {
      for (const { from, each, offset } of operands)
        copyIn(base + offset, from, start * each, end * each);
      DequantizeCall.write(base + atCall, {
        bits,
        groupSize,
        words,
        scales,
        biases,
        store: dtypeCode[store],
        count: (end - start) * columns,
        out: base + atOut,
      });
      wasm.dequantize(base + atCall);
      copyOut(base + atOut, bytesOf(job.out), start * rowBytes, end * rowBytes);
    });
  },
};

type Three = [number, number, number];
