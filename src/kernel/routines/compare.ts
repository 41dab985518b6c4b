import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyIn, copyOut, copyRowsIn, dtypeCode, Layout } from "../arena.ts";
import { bytesPerElement } from "../dtype.ts";
import { bytesOf, type Matrix, type Weight } from "../matrix.ts";
import type { Fail, Routine } from "../routine.ts";
import { struct } from "../struct.ts";
import { copyWeightIn, multiply, placeProduct } from "./linear.ts";

/** Hidden states, and rows of the head that make logits of them. */
export interface HeadInput {
  /** `[positions, in]` */
  readonly x: Matrix;
  /** `[tokens, in]` */
  readonly weight: Weight;
  /** `[tokens]` */
  readonly bias: Float32Array<SharedArrayBuffer> | null;
}

/**
 * Compares the next-token distributions of some models with that of their base, over a part of the
 * vocabulary. Logits are made and freed within the job.
 */
export interface CompareJob {
  readonly base: HeadInput;
  readonly models: readonly HeadInput[];
  /** The first token of this part. */
  readonly first: number;
  /** The token that follows each position. */
  readonly next: Uint32Array<SharedArrayBuffer>;
  /**
   * For each model `[positions, comparisonColumns]`, in float64 over the vocabulary so far: KL(base
   * ‖ model) in nats; log-probability of the next token under the base, then under the model; 1
   * where both rank the same token first. The other columns are those of `Position` in
   * divergence.rs. All are 0 before the first part.
   */
  readonly out: readonly Float64Array<SharedArrayBuffer>[];
}

/** Numbers of a position. */
export const comparisonColumns = 13;

export const CompareCall = struct({
  base: "usize",
  model: "usize",
  next: "usize",
  rows: "usize",
  columns: "usize",
  first: "usize",
  positions: "usize",
  shares: "usize",
  known: "usize",
});

export const compare: Routine<CompareJob, void> = {
  describe: ({ base: { x, weight }, models }) =>
    `comparison of ${x.rows} positions, ${weight.rows} tokens, ${models.length} models`,
  check({ base, models, next, out }, fail) {
    const { rows } = base.x;
    for (const input of [base, ...models]) checkInput(input, [rows, base.weight.rows], fail);
    if (next.length !== rows) fail(`${next.length} next tokens`);
    if (out.length !== models.length) fail(`${out.length} results`);
    for (const { length } of out)
      if (length !== comparisonColumns * rows) fail(`${length} results for ${rows} positions`);
  },
  run({ base, models, first, next, out }) {
    const [rows, columns] = [base.x.rows, base.weight.rows];
    const resultBytes = 8 * comparisonColumns * rows;
    const inputs = Math.max(...[base, ...models].map(({ x }) => x.columns));
    const layout = new Layout();
    const places = placeProduct(layout, [rows, columns, inputs], "F32");
    const [atBase, atModel] = [layout.place(4 * rows * columns), layout.place(4 * rows * columns)];
    const [atNext, atPositions] = [layout.place(4 * rows), layout.place(resultBytes)];
    const [atShares, atCall] = [layout.place(8 * rows * columns), layout.place(CompareCall.bytes)];
    const at = layout.claim();
    let inArena: Weight | null = null;
    const product = ({ x, weight, bias }: HeadInput, offset: number) => {
      copyRowsIn(at + places.x, x, 0, rows);
      if (weight !== inArena) copyWeightIn(at, places, weight, bias);
      inArena = weight; // runs of one model share its head
      const shape = [rows, columns, x.columns] as const;
      const rest = { from: weight.dtype, bias: bias !== null, y: at + offset };
      multiply(at, places, shape, rest);
    };
    const operands = { base: at + atBase, model: at + atModel, next: at + atNext };
    const positions = at + atPositions;
    const call = { ...operands, rows, columns, first, positions, shares: at + atShares };
    copyIn(at + atNext, bytesOf(next), 0, next.byteLength);
    product(base, atBase);
    for (const [i, model] of models.entries()) {
      product(model, atModel);
      copyIn(positions, bytesOf(out[i]!), 0, resultBytes);
      CompareCall.write(at + atCall, { ...call, known: Number(i > 0) });
      wasm.compare(at + atCall);
      copyOut(positions, bytesOf(out[i]!), 0, resultBytes);
    }
  },
};

function checkInput(
  { x, weight, bias }: HeadInput,
  [rows, tokens]: readonly [number, number],
  fail: Fail,
): void {
  if (!(weight.dtype in dtypeCode)) fail(`${weight.dtype} is not a float dtype`);
  if (x.rows !== rows || weight.rows !== tokens)
    fail(`a model has ${x.rows} positions and ${weight.rows} tokens`);
  if (x.columns !== weight.columns) fail("x and the weight differ in their input width");
  if (x.data.length !== x.rows * x.columns) fail(`${x.data.length} elements of x`);
  if (weight.bytes.length !== weight.rows * weight.columns * bytesPerElement[weight.dtype]!)
    fail(`the weight has ${weight.bytes.length} bytes`);
  if (bias && bias.length !== weight.rows) fail(`the bias has ${bias.length} elements`);
}
