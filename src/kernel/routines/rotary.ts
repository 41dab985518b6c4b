import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyOut, Layout, memory } from "../arena.ts";
import { bytesOf } from "../matrix.ts";
import type { Routine } from "../routine.ts";
import { struct } from "../struct.ts";

/** How rotary frequencies are stretched beyond the pretrained length (rotary.rs). */
export type RopeScaling =
  | { readonly kind: "default" }
  | { readonly kind: "linear"; readonly factor: number }
  | {
      readonly kind: "llama3";
      readonly factor: number;
      readonly low: number;
      readonly high: number;
      readonly original: number;
    }
  | {
      readonly kind: "yarn";
      readonly factor: number;
      readonly fast: number;
      readonly slow: number;
      readonly original: number;
      /** Whether the ramp begins and ends at whole dimensions. */
      readonly whole: boolean;
      /** Factor of cosines and sines; null: YaRN derives it from `factor` and the two mscales. */
      readonly attention: number | null;
      readonly mscales: readonly [number, number];
    };

/** Cosines and sines of rotary position embeddings for positions from 0. */
export interface RotaryJob {
  readonly base: number;
  /** Channels that are rotated: a head's size, or less for a partial rotation. */
  readonly size: number;
  readonly scaling: RopeScaling;
  /** Overwritten: `[positions, size / 2]` each. */
  readonly cosines: Float32Array<SharedArrayBuffer>;
  readonly sines: Float32Array<SharedArrayBuffer>;
}

export const RotaryCall = struct({
  base: "f64",
  size: "usize",
  positions: "usize",
  scaling: "usize",
  cosines: "usize",
  sines: "usize",
});

/** In the order of exports/attention.rs. */
function numbersOf(scaling: RopeScaling): number[] {
  switch (scaling.kind) {
    case "default":
      return [0];
    case "linear":
      return [1, scaling.factor];
    case "llama3":
      return [2, scaling.factor, scaling.low, scaling.high, scaling.original];
    case "yarn": {
      const { factor, fast, slow, original, whole, attention, mscales } = scaling;
      return [3, factor, fast, slow, original, Number(whole), attention ?? Number.NaN, ...mscales];
    }
  }
}

export const rotary: Routine<RotaryJob, void> = {
  describe: ({ scaling, size }) => `${scaling.kind} rotary tables for ${size} channels`,
  check({ size, cosines, sines }, fail) {
    if (size < 2 || size % 2 !== 0) fail(`${size} channels cannot be rotated, only an even number`);
    if (cosines.length !== sines.length || cosines.length % (size / 2) !== 0)
      fail(`tables of ${cosines.length} and ${sines.length} elements for ${size} channels`);
  },
  run({ base: wavelength, size, scaling, cosines, sines }) {
    const layout = new Layout();
    const [atNumbers, atCosines] = [layout.place(8 * 9), layout.place(cosines.byteLength)];
    const atSines = layout.place(sines.byteLength);
    const atCall = layout.place(RotaryCall.bytes);
    const base = layout.claim();
    new Float64Array(memory.buffer, base + atNumbers, 9).fill(0);
    new Float64Array(memory.buffer, base + atNumbers, 9).set(numbersOf(scaling));
    const positions = cosines.length / (size / 2);
    RotaryCall.write(base + atCall, {
      base: wavelength,
      size,
      positions,
      scaling: base + atNumbers,
      cosines: base + atCosines,
      sines: base + atSines,
    });
    wasm.rotary(base + atCall);
    copyOut(base + atCosines, bytesOf(cosines), 0, cosines.byteLength);
    copyOut(base + atSines, bytesOf(sines), 0, sines.byteLength);
  },
};
