import * as wasm from "../../kernel-wasm/pkg/oqe_kernel.js";
import { copyIn, copyOut, dtypeCode, Layout, memory } from "./arena.ts";
import { elementBytes, type QuantizeSums, type TileBytes } from "./job.ts";
import type { CastJob, CastResult, DequantizeJob, QuantizeJob } from "./kernel-types.ts";

/**
 * The packing half of the boundary to WebAssembly (routines/ is the other). It trusts its jobs (job.ts has checked them).
 * A tile passes through the arena in slabs of rows that fit a core's second-level cache, so its size is no matter, and each
 * copy in and out costs little more than the memory traffic that the job needs anyway.
 */
const slabBytes = 128 * 1024;

function rowsOfSlab(rows: number, rowBytes: number): number {
  return Math.min(rows, Math.max(1, Math.floor(slabBytes / rowBytes)));
}

/** Visits `[start, end)` of `count`, `step` at a time. */
function eachSlab(count: number, step: number, visit: (start: number, end: number) => void): void {
  for (let start = 0; start < count; start += step) visit(start, Math.min(count, start + step));
}

const shared = (bytes: number) => new Uint8Array(new SharedArrayBuffer(bytes));

/** Writes the bytes of every width to `out`, in the order of the widths. */
export function quantize(job: QuantizeJob, out: readonly TileBytes[]): QuantizeSums {
  const { rows, columns, widths } = job;
  const rowBytes = columns * elementBytes[job.from];
  const slabRows = rowsOfSlab(rows, rowBytes);
  const layout = new Layout();
  const sums = layout.place(8 * (2 + widths.length));
  const specs = layout.place(4 * 5 * widths.length);
  const weights = layout.place(slabRows * rowBytes);
  const outputs = widths.map(({ bits, groupSize }, i) => {
    const { words, scales, biases } = out[i]!;
    const parts = [words, scales, biases].map((bytes) => {
      const bytesEach = bytes.byteLength / rows;
      return { bytesEach, offset: layout.place(slabRows * bytesEach), out: bytes };
    });
    return { bits, groupSize, parts };
  });
  const base = layout.claim();
  new Float64Array(memory.buffer, base + sums, 2 + widths.length).fill(0);
  new Uint32Array(memory.buffer, base + specs, 5 * widths.length).set(
    outputs.flatMap(({ bits, groupSize, parts }) => [
      bits,
      groupSize,
      ...parts.map(({ offset }) => base + offset),
    ]),
  );
  eachSlab(rows, slabRows, (start, end) => {
    copyIn(base + weights, job.weights, start * rowBytes, end * rowBytes);
    wasm.quantize(
      base + weights,
      dtypeCode[job.from],
      end - start,
      columns,
      dtypeCode[job.store],
      job.rounding === "mlx",
      base + specs,
      widths.length,
      base + sums,
    );
    for (const { bytesEach, offset, out } of outputs.flatMap(({ parts }) => parts)) {
      copyOut(base + offset, out, start * bytesEach, end * bytesEach);
    }
  });
  const [energy, nonFinite, ...squaredErrors] = new Float64Array(
    memory.buffer,
    base + sums,
    2 + widths.length,
  );
  return { energy: energy!, nonFinite: nonFinite!, squaredErrors };
}

export function dequantize(job: DequantizeJob): Float32Array<SharedArrayBuffer> {
  const { rows, columns, bits, groupSize } = job;
  const rowBytes = columns * 4;
  const slabRows = rowsOfSlab(rows, rowBytes);
  const pairBytes = (columns / groupSize) * elementBytes[job.store];
  const layout = new Layout();
  const operands = [
    { from: job.words, bytesEach: (columns * bits) / 8 },
    { from: job.scales, bytesEach: pairBytes },
    { from: job.biases, bytesEach: pairBytes },
  ].map((operand) => ({ ...operand, offset: layout.place(slabRows * operand.bytesEach) }));
  const values = layout.place(slabRows * rowBytes);
  const out = shared(rows * rowBytes);
  const base = layout.claim();
  const [words, scales, biases] = operands.map(({ offset }) => base + offset) as [
    number,
    number,
    number,
  ];
  eachSlab(rows, slabRows, (start, end) => {
    for (const { from, bytesEach, offset } of operands) {
      copyIn(base + offset, from, start * bytesEach, end * bytesEach);
    }
    const count = (end - start) * columns;
    wasm.dequantize(
      bits,
      groupSize,
      words,
      scales,
      biases,
      dtypeCode[job.store],
      count,
      base + values,
    );
    copyOut(base + values, out, start * rowBytes, end * rowBytes);
  });
  return new Float32Array(out.buffer);
}

export function cast(job: CastJob): CastResult {
  const { weights, from, to } = job;
  const [fromBytes, toBytes] = [elementBytes[from], elementBytes[to]];
  const count = weights.byteLength / fromBytes;
  const slab = Math.floor(slabBytes / fromBytes);
  const layout = new Layout();
  const [source, target] = [layout.place(slab * fromBytes), layout.place(slab * toBytes)];
  const out = shared(count * toBytes);
  const base = layout.claim();
  let nonFinite = 0;
  eachSlab(count, slab, (start, end) => {
    copyIn(base + source, weights, start * fromBytes, end * fromBytes);
    nonFinite += wasm.cast(
      base + source,
      dtypeCode[from],
      end - start,
      dtypeCode[to],
      base + target,
    );
    copyOut(base + target, out, start * toBytes, end * toBytes);
  });
  return { bytes: out, nonFinite };
}
