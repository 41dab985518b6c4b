import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyIn, copyRowsIn, copyRowsOut, Layout } from "../arena.ts";
import type { Floats } from "../matrix.ts";
import { bytesOf, checkMatrix, type Matrix } from "../matrix.ts";
import type { Routine } from "../routine.ts";
import { struct } from "../struct.ts";

/**
 * Sizes and small tensors of a gated DeltaNet mixer. Each key head serves `values / keys`
 * consecutive value heads. The convolution has C = 2 · keys · key + values · value channels: all
 * queries, all keys, all values.
 */
export interface DeltaMixer {
  /** Heads of queries and keys. */
  readonly keys: number;
  /** Channels of a query or key head. */
  readonly key: number;
  /** Heads of values. */
  readonly values: number;
  /** Channels of a value head. */
  readonly value: number;
  /**
   * The order of input channels. False: all queries, keys, values, gates, writes and decays. True:
   * for each key head its query, key, values and gates; then for each its writes and decays.
   */
  readonly byHead: boolean;
  readonly taps: number;
  /** `[C, taps]` */
  readonly convolution: Floats;
  /** `[values]` each. */
  readonly stepBias: Floats;
  readonly decayLog: Floats;
  /** `[value]` weight of the norm of each value head. */
  readonly norm: Floats;
  readonly eps: number;
}

/** Whole sequences through a gated DeltaNet mixer, between its projections. */
export interface GatedDeltaJob {
  /** `[tokens, C + values · value + 2 · values]`, as the input projections give them. */
  readonly x: Matrix;
  /** Tokens of a sequence; the rows are whole sequences. */
  readonly length: number;
  readonly mixer: DeltaMixer;
  /** Overwritten: `[tokens, values · value]`. */
  readonly y: Matrix;
}

/** Channels of the output, of the convolution and of the input. */
export function deltaWidths({ keys, key, values, value }: Omit<DeltaMixer, "byHead">) {
  const inner = values * value;
  const convolved = 2 * keys * key + inner;
  return { inner, convolved, columns: convolved + inner + 2 * values };
}

export const DeltaCall = struct({
  keys: "usize",
  key: "usize",
  values: "usize",
  value: "usize",
  byHead: "usize",
  taps: "usize",
  convolution: "usize",
  stepBias: "usize",
  decayLog: "usize",
  norm: "usize",
  eps: "f32",
  tokens: "usize",
  x: "usize",
  y: "usize",
});

export const gatedDelta: Routine<GatedDeltaJob, void> = {
  describe: ({ x, mixer }) =>
    `gated DeltaNet of ${mixer.keys}/${mixer.values} heads over ${x.rows} tokens`,
  check({ x, length, mixer, y }, fail) {
    const { keys, values, value, taps } = mixer;
    const { inner, convolved, columns } = deltaWidths(mixer);
    if (values % keys !== 0) fail(`${values} value heads on ${keys} key heads`);
    if (length < 1 || x.rows % length !== 0) fail(`${x.rows} tokens in sequences of ${length}`);
    checkMatrix("x", x, [x.rows, columns], fail);
    checkMatrix("y", y, [x.rows, inner], fail);
    for (const [name, tensor, size] of [
      ["convolution", mixer.convolution, convolved * taps],
      ["stepBias", mixer.stepBias, values],
      ["decayLog", mixer.decayLog, values],
      ["norm", mixer.norm, value],
    ] as const) {
      if (tensor.length !== size) fail(`${name} has ${tensor.length} elements, not ${size}`);
    }
  },
  run({ x, length, mixer, y }) {
    const { inner, columns } = deltaWidths(mixer);
    const { convolution, stepBias, decayLog, norm } = mixer;
    const tensors = [convolution, stepBias, decayLog, norm];
    const layout = new Layout();
    const atCall = layout.place(DeltaCall.bytes);
    const offsets = tensors.map((tensor) => layout.place(tensor.byteLength));
    const [atX, atY] = [layout.place(4 * length * columns), layout.place(4 * length * inner)];
    const base = layout.claim();
    const addresses = offsets.map((offset) => base + offset) as [number, number, number, number];
    const { keys, key, values, value, byHead, taps, eps } = mixer;
    DeltaCall.write(base + atCall, {
      ...{ keys, key, values, value, byHead: byHead ? 1 : 0, taps, eps },
      convolution: addresses[0],
      stepBias: addresses[1],
      decayLog: addresses[2],
      norm: addresses[3],
      tokens: length,
      x: base + atX,
      y: base + atY,
    });
    for (const [i, tensor] of tensors.entries())
      copyIn(addresses[i]!, bytesOf(tensor), 0, tensor.byteLength);
    for (let top = 0; top < x.rows; top += length) {
      const bottom = top + length;
      copyRowsIn(base + atX, x, top, bottom);
      wasm.gated_delta(base + atCall);
      copyRowsOut(base + atY, y, top, bottom);
    }
  },
};
