import { bytesPerElement } from "./dtype.ts";
import type { CastResult, Kernel, QuantizeResult } from "./kernel-types.ts";
import { Cutter, type Leases } from "./lease.ts";
import { inShared, sharedBytes, sharedFloats } from "./matrix.ts";
import { packedBytes } from "./packed.ts";
import { failOf } from "./routine.ts";
import type { CastJob } from "./routines/cast.ts";
import type { PackedRows } from "./routines/dequantize.ts";
import { checkQuantize, describeQuantize, type QuantizeRows } from "./routines/quantize.ts";

type Runner = Pick<Kernel, "run" | "workers">;

/** Quantizes into one buffer of `leases`. `Kernel.quantize` describes it. */
export async function quantizeRows(
  kernel: Runner,
  leases: Leases,
  rows: QuantizeRows,
): Promise<QuantizeResult> {
  // Check before memory is taken: contradicting sizes could ask for any amount of it.
  checkQuantize(rows, failOf(describeQuantize(rows)));
  const cutter = new Cutter();
  const isShared = rows.weights.buffer instanceof SharedArrayBuffer;
  const place = cutter.place(isShared ? 0 : rows.weights.byteLength);
  const places = rows.widths.map((width) => {
    const { words, scales, biases } = packedBytes(rows, width, rows.store);
    return [words, scales, biases].map((bytes) => cutter.place(bytes));
  });
  const buffer = leases.take(cutter.size);
  const weights = isShared ? rows.weights : place(buffer);
  if (!isShared) weights.set(rows.weights);
  const out = places.map((parts) => {
    const [words, scales, biases] = parts.map((part) => part(buffer));
    return { words: words!, scales: scales!, biases: biases! };
  });
  const answer = await kernel.run("quantize", { ...rows, weights, out });
  return {
    byWidth: rows.widths.map((width, i) => ({
      ...width,
      ...out[i]!,
      squaredError: answer.squaredErrors[i]!,
    })),
    energy: answer.energy,
    nonFinite: answer.nonFinite,
    release: () => leases.give(buffer, 2 * kernel.workers + 2),
  };
}

export async function dequantizeRows(
  kernel: Runner,
  rows: PackedRows,
): Promise<Float32Array<SharedArrayBuffer>> {
  const out = sharedFloats(rows.rows * rows.columns);
  const [words, scales, biases] = [rows.words, rows.scales, rows.biases].map(inShared);
  const packed = { words: words!, scales: scales!, biases: biases! };
  await kernel.run("dequantize", { ...rows, ...packed, out });
  return out;
}

export async function castElements(
  kernel: Runner,
  { weights, from, to }: Omit<CastJob, "out">,
): Promise<CastResult> {
  const count = Math.ceil(weights.byteLength / bytesPerElement[from]!);
  const bytes = sharedBytes(count * bytesPerElement[to]!);
  const job = { weights: inShared(weights), from, to, out: bytes };
  const { nonFinite } = await kernel.run("cast", job);
  return { bytes, nonFinite };
}
