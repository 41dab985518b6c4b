import { cross } from "../kernel/grams.ts";
import {
  asWeight,
  bytesOf,
  type Matrix,
  newMatrix,
  rowsOf,
  sharedFloats,
  type Weight,
} from "../kernel/matrix.ts";
import { toFloats } from "../kernel/to-floats.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { LayerKind } from "../models/layer-kind.ts";
import { blockContext, type Model } from "../models/run.ts";
import type { Hessian } from "./hessian.ts";

/** Share of the error that a target takes back: half, for what is fitted to these rows is not all there in others (docs/benchmarks.md). */
const share = 0.5;
/** Tokens an input channel needs for its target to be moved. */
const enough = 8;

export interface ResidualPlace {
  readonly base: Model;
  readonly layer: number;
  readonly kind: LayerKind;
  /** Tokens of a sequence. */
  readonly length: number;
  /** The quantized tensors of the block. */
  readonly tensors: readonly PlannedTensor[];
}

/**
 * A block of the base beside that of the tier: with X the base's input of a matrix and X' the tier's, the matrix is tuned towards
 * W' = W + a·W (X - X')ᵀX' (X'ᵀX' + damping)⁻¹, which takes back that part of the error so far which is linear in X' (QEP, arXiv 2504.09629).
 * For matrices that all tokens come to, and enough of them.
 */
export class ResidualRepair {
  readonly #place: ResidualPlace;
  /** Tensors that were given another target. */
  moved = 0;
  /** By `fedBy`: X `[tokens, in]`. */
  readonly #inputs = new Map<string, Matrix>();
  /** By `fedBy`: X'ᵀ(X' - X) `[in, in]`. */
  readonly #moments = new Map<string, Promise<Matrix>>();

  constructor(place: ResidualPlace) {
    this.#place = place;
  }

  /** Hidden states of the base after the block, its inputs being kept. */
  run(x: Matrix): Promise<Matrix> {
    const { base, layer, kind, length } = this.#place;
    const plain = blockContext(base, layer, kind, { length });
    const note = (role: string, input: Matrix) => {
      const fedBy = this.#find(role)?.role.fedBy;
      if (fedBy && input.rows >= enough * input.columns) this.#inputs.set(fedBy, input);
    };
    const at: typeof plain = {
      ...plain,
      weight: (role, input, options) => {
        note(role, input);
        return plain.weight(role, input, options);
      },
      linear: (role, input, options) => {
        note(role, input);
        return plain.linear(role, input, options);
      },
    };
    return base.architecture.forward.block(at, x);
  }

  /** What the tensor is to be tuned towards, given the tier's input; null: itself. */
  async target(
    tensor: PlannedTensor,
    weight: Weight,
    x: Matrix,
    { factor, order }: Hessian,
  ): Promise<Weight | null> {
    const { ops } = this.#place.base;
    const { kernel } = ops;
    const fedBy = tensor.role.fedBy!;
    if (this.#find(tensor.role.role) === undefined || !this.#inputs.has(fedBy) || factor === null)
      return null;
    let moments = this.#moments.get(fedBy);
    if (moments === undefined) {
      moments = this.#compare(fedBy, x);
      this.#moments.set(fedBy, moments);
    }
    const square = await moments;
    const { rows, columns } = weight;
    const own = { data: await toFloats(weight.bytes, weight.dtype, kernel), rows, columns };
    const change = await ops.linear(own, asWeight(square.data, columns));
    await ops.shareOut(change.rows, async (start, end) => {
      await kernel.run("solve", { factor, order, b: rowsOf(change, start, end) });
    });
    await kernel.run("scale", { x: change, factors: sharedFloats(change.columns).fill(-share) });
    await ops.add(change, own);
    const { nonFinite } = await kernel.cast({
      weights: bytesOf(change.data),
      from: "F32",
      to: "F32",
    });
    if (nonFinite > 0) return null;
    this.moved++;
    return asWeight(change.data, columns);
  }

  async #compare(fedBy: string, x: Matrix): Promise<Matrix> {
    const { ops } = this.#place.base;
    const difference = this.#inputs.get(fedBy)!;
    this.#inputs.set(fedBy, newMatrix(0, x.columns)); // from here on it is another matrix
    await ops.shareOut(x.rows, async (start, end) => {
      await ops.kernel.run("subtract", {
        x: rowsOf(difference, start, end),
        from: rowsOf(x, start, end),
      });
    });
    await ops.kernel.run("screen", { x: difference });
    const sums = newMatrix(x.columns, x.columns);
    await cross(ops.kernel, x, difference, sums);
    return sums;
  }

  /** A quantized tensor that all tokens come to. */
  #find(role: string): PlannedTensor | undefined {
    return this.#place.tensors.find(
      (tensor) => tensor.role.role === role && tensor.role.routed !== true,
    );
  }
}

/** How far a stored matrix, decoded to float32, is from the base's own. */
export async function errorAgainst(
  { ops: { kernel } }: Pick<Model, "ops">,
  own: Weight,
  made: Weight,
): Promise<{ squaredError: number; weightEnergy: number }> {
  const { rows, columns } = own;
  const from = { data: await toFloats(own.bytes, own.dtype, kernel), rows, columns };
  const { squares: weightEnergy } = await kernel.run("subtract", {
    x: newMatrix(rows, columns),
    from,
  });
  const decoded = { data: await toFloats(made.bytes, made.dtype, kernel), rows, columns };
  const { squares: squaredError } = await kernel.run("subtract", { x: decoded, from });
  return { squaredError, weightEnergy };
}
