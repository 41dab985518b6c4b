import { cross } from "../kernel/grams.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
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
import { type Input, type LazyRows, rowsFrom } from "../models/lazy-rows.ts";
import { blockContext, type Model } from "../models/run.ts";
import type { VisitedMatrix } from "./block-visit.ts";

/**
 * Share of the error that a target compensates for. The fit is to the calibration rows; on other
 * rows it is only partly right.
 */
const share = 0.5;
/** Tokens per input channel that a fit needs. */
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
 * Compensates in one block for the errors of the blocks before it (QEP, arXiv 2504.09629). X is the
 * base's input of a matrix W, X' the tier's. The matrix is tuned towards W' = W + a·W (X - X')ᵀX'
 * (X'ᵀX' + damping)⁻¹, which compensates for a share `a` of the error that is linear in X'. Only
 * matrices that all tokens go through are moved, and only with enough tokens.
 */
export class ResidualRepair {
  readonly #place: ResidualPlace;
  /** Number of matrices that got another target. */
  moved = 0;
  /** By `fedBy`: X `[tokens, in]`. */
  readonly #inputs = new Map<string, Matrix>();
  /** By `fedBy`: X'ᵀ(X' - X) `[in, in]`. */
  readonly #moments = new Map<string, Promise<Matrix>>();

  constructor(place: ResidualPlace) {
    this.#place = place;
  }

  /** Runs the base's block and records its inputs. Returns the base's hidden states after it. */
  run(x: Matrix): Promise<Matrix> {
    const { base, layer, kind, length } = this.#place;
    const plain = blockContext(base, layer, kind, { length });
    const record = async (role: string, input: Input) => {
      const fedBy = this.#find(role)?.role.fedBy;
      if (!fedBy || this.#inputs.has(fedBy) || input.rows < enough * input.columns) return;
      this.#inputs.set(fedBy, await rowsFrom(input).whole());
    };
    const at: typeof plain = {
      ...plain,
      weight: async (role, input, options) => {
        await record(role, input);
        return plain.weight(role, input, options);
      },
      linear: async (role, input, options) => {
        await record(role, input);
        return plain.linear(role, input, options);
      },
    };
    return base.architecture.forward.block(at, x);
  }

  /** The matrix W' that a visited matrix is tuned towards; null: W itself. */
  async target({ tensor, weight, x, hessian }: VisitedMatrix): Promise<Weight | null> {
    const { factor, order } = hessian;
    const fedBy = tensor.role.fedBy!;
    if (this.#find(tensor.role.role) === undefined || !this.#inputs.has(fedBy) || factor === null)
      return null;
    let moments = this.#moments.get(fedBy);
    if (moments === undefined) {
      moments = this.#compare(fedBy, rowsFrom(x));
      this.#moments.set(fedBy, moments);
    }
    const square = await moments;
    const { ops } = this.#place.base;
    const { kernel } = ops;
    const { rows, columns } = weight;
    const own = { data: await toFloats(weight.bytes, weight.dtype, kernel), rows, columns };
    const change = await ops.linear(own, asWeight(square.data, columns));
    await ops.shareOut(change.rows, async (start, end) => {
      await kernel.run("solve", { factor, order, b: rowsOf(change, start, end) });
    });
    await kernel.run("scale", { x: change, factors: sharedFloats(columns).fill(-share) });
    await ops.add(change, own);
    const values = { weights: bytesOf(change.data), from: "F32", to: "F32" } as const;
    const { nonFinite } = await kernel.cast(values);
    if (nonFinite > 0) return null;
    this.moved++;
    return asWeight(change.data, columns);
  }

  async #compare(fedBy: string, input: LazyRows): Promise<Matrix> {
    const x = await input.whole();
    const { ops } = this.#place.base;
    const difference = this.#inputs.get(fedBy)!;
    this.#inputs.set(fedBy, newMatrix(0, x.columns)); // its memory is overwritten below
    await ops.kernel.run("screen", { x });
    await ops.shareOut(x.rows, async (start, end) => {
      await ops.kernel.run("subtract", {
        x: rowsOf(difference, start, end),
        from: rowsOf(x, start, end),
      });
    });
    await ops.kernel.run("screen", { x: difference });
    const sums = newMatrix(x.columns, x.columns);
    await cross(ops.kernel, { x, y: difference, sums });
    return sums;
  }

  /** The quantized tensor of a role, if all tokens go through it. */
  #find(role: string): PlannedTensor | undefined {
    return this.#place.tensors.find(
      (tensor) => tensor.role.role === role && tensor.role.routed !== true,
    );
  }
}

/** The error of a stored matrix, decoded to float32, relative to the base's own. */
export async function errorAgainst(
  kernel: Kernel,
  own: Weight,
  stored: Weight,
): Promise<{ squaredError: number; weightEnergy: number }> {
  const floats = async ({ bytes, dtype, rows, columns }: Weight): Promise<Matrix> => {
    return { data: await toFloats(bytes, dtype, kernel), rows, columns };
  };
  const from = await floats(own);
  const zeros = newMatrix(own.rows, own.columns);
  const { squares: weightEnergy } = await kernel.run("subtract", { x: zeros, from });
  const x = await floats(stored);
  const { squares: squaredError } = await kernel.run("subtract", { x, from });
  return { squaredError, weightEnergy };
}
