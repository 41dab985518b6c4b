import { readFileSync } from "node:fs";
import type { FloatDtype } from "../../src/kernel/dtype.ts";
import type { Bits, GroupSize } from "../../src/kernel/width.ts";

export const allBits: readonly Bits[] = [2, 3, 4, 5, 6, 8];
export const groups: readonly GroupSize[] = [32, 64, 128];
export const dtypes: readonly FloatDtype[] = ["BF16", "F16", "F32"];

/** Shape of the golden input. Rows before `gaussianFrom` are edge cases, the others Gaussian. */
export const [goldenRows, goldenColumns, gaussianFrom] = [40, 128, 29];

/** Tensors of a golden file: name -> bytes. */
export function golden(name: string): Record<string, Uint8Array> {
  const file = readFileSync(new URL(`../golden/${name}.safetensors`, import.meta.url));
  const start = 8 + Number(file.readBigUInt64LE());
  const header: Record<string, { data_offsets?: [number, number] }> = JSON.parse(
    file.toString("utf8", 8, start),
  );
  return Object.fromEntries(
    Object.entries(header).flatMap(([tensor, { data_offsets: at }]) =>
      at ? [[tensor, new Uint8Array(file.subarray(start + at[0], start + at[1]))]] : [],
    ),
  );
}

/** Gaussian bf16 of deviation 0.02 from a fixed seed (mulberry32, Box-Muller). */
export function gaussian(count: number, seed: number): Uint8Array {
  let state = seed;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const values = Float32Array.from({ length: count }, () => {
    return 0.02 * Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  });
  const halves = new Uint32Array(values.buffer).map(
    (bits) => (bits + 0x7fff + ((bits >> 16) & 1)) >>> 16,
  );
  return new Uint8Array(Uint16Array.from(halves).buffer);
}
