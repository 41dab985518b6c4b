import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyIn, copyRowsIn, copyRowsOut, Layout } from "../arena.ts";
import type { Floats } from "../matrix.ts";
import { bytesOf, checkMatrix, type Matrix } from "../matrix.ts";
import type { Routine } from "../routine.ts";
import { struct } from "../struct.ts";

/**
 * Sizes and small tensors of a Mamba-2 mixer with H heads. The convolution has C = H · head + 2 ·
 * groups · state channels.
 */
export interface Mixer {
  readonly heads: number;
  /** Channels of a head. */
  readonly head: number;
  /** Groups of heads that share B and C. */
  readonly groups: number;
  /** Values of state a channel. */
  readonly state: number;
  readonly taps: number;
  /** `[C, taps]` */
  readonly convolution: Floats;
  /** `[C]` */
  readonly convolutionBias: Floats;
  /** `[H]` each. */
  readonly stepBias: Floats;
  readonly decayLog: Floats;
  readonly skip: Floats;
  /** `[H · head]` weight of the norm after the gate. */
  readonly norm: Floats;
  readonly eps: number;
  /** Smallest and largest step. */
  readonly limits: readonly [number, number];
}

/** Whole sequences through a Mamba-2 mixer, from its input projection to its output projection. */
export interface MambaJob {
  /** `[tokens, H · head + C + H]`: gate, x, B, C, step, as the input projection gives them. */
  readonly z: Matrix;
  /** Tokens of a sequence; the rows are whole sequences. */
  readonly length: number;
  readonly mixer: Mixer;
  /** Overwritten: `[tokens, H · head]`. */
  readonly y: Matrix;
}

function widths({ heads, head, groups, state }: Mixer) {
  const inner = heads * head;
  const convolved = inner + 2 * groups * state;
  return { inner, convolved, columns: inner + convolved + heads };
}

function tensorsOf(mixer: Mixer): readonly Floats[] {
  const { convolution, convolutionBias, stepBias, decayLog, skip, norm } = mixer;
  return [convolution, convolutionBias, stepBias, decayLog, skip, norm];
}

export const MambaCall = struct({
  heads: "usize",
  head: "usize",
  groups: "usize",
  state: "usize",
  taps: "usize",
  convolution: "usize",
  convolutionBias: "usize",
  stepBias: "usize",
  decayLog: "usize",
  skip: "usize",
  norm: "usize",
  least: "f32",
  most: "f32",
  eps: "f32",
  tokens: "usize",
  z: "usize",
  y: "usize",
});

export const mamba: Routine<MambaJob, void> = {
  describe: ({ z, mixer }) => `Mamba mixer of ${mixer.heads} heads over ${z.rows} tokens`,
  check({ z, length, mixer, y }, fail) {
    const { heads, groups, taps } = mixer;
    const { inner, convolved, columns } = widths(mixer);
    if (heads % groups !== 0) fail(`${heads} heads in ${groups} groups`);
    if (length < 1 || z.rows % length !== 0) fail(`${z.rows} tokens in sequences of ${length}`);
    checkMatrix("z", z, [z.rows, columns], fail);
    checkMatrix("y", y, [z.rows, inner], fail);
    const sizes = [convolved * taps, convolved, heads, heads, heads, inner];
    const wrong = tensorsOf(mixer).findIndex((tensor, i) => tensor.length !== sizes[i]);
    if (wrong >= 0)
      fail(`tensor ${wrong} of the mixer has ${tensorsOf(mixer)[wrong]!.length} elements`);
  },
  run({ z, length, mixer, y }) {
    const { inner, columns } = widths(mixer);
    const tensors = tensorsOf(mixer);
    const layout = new Layout();
    const atCall = layout.place(MambaCall.bytes);
    const offsets = tensors.map((tensor) => layout.place(tensor.byteLength));
    const [atZ, atY] = [layout.place(4 * length * columns), layout.place(4 * length * inner)];
    const base = layout.claim();
    const [convolution, convolutionBias, stepBias, decayLog, skip, norm] = offsets.map(
      (offset) => base + offset,
    ) as Six;
    const addresses = { convolution, convolutionBias, stepBias, decayLog, skip, norm };
    const { heads, head, groups, state, taps, eps } = mixer;
    const [least, most] = mixer.limits;
    const sizes = { heads, head, groups, state, taps, tokens: length };
    const call = { ...sizes, ...addresses, least, most, eps, z: base + atZ, y: base + atY };
    MambaCall.write(base + atCall, call);
    for (const [i, tensor] of tensors.entries())
      copyIn(base + offsets[i]!, bytesOf(tensor), 0, tensor.byteLength);
    for (let top = 0; top < z.rows; top += length) {
      const bottom = top + length;
      copyRowsIn(base + atZ, z, top, bottom);
      wasm.mamba(base + atCall);
      copyRowsOut(base + atY, y, top, bottom);
    }
  },
};

type Six = [number, number, number, number, number, number];
