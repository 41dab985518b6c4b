import type { CalibrationIds } from "../calibration/calibration-ids.ts";
import { gram as addGram, cross } from "../kernel/grams.ts";
import { asWeight, type Matrix, newMatrix, rowsOf, sharedIntegers } from "../kernel/matrix.ts";
import { makeHessian, newGram } from "./hessian.ts";
import type { TuningTools } from "./tuning-tools.ts";

/** One of this many rows of text is held out of the fit, to judge the result. */
const heldOutEvery = 8;

/** A row of text as a range of tokens. */
interface Sequence {
  readonly start: number;
  readonly end: number;
  readonly isHeldOut: boolean;
}

/**
 * Ridge least squares for one router's gate G: fits X·Gᵀ to the logits L. X `[tokens, hidden]` is
 * the router's input in the tier, L `[tokens, routed]` the base's logits.
 */
export class GateFit {
  readonly #tools: TuningTools;
  readonly #x: Matrix;
  readonly #logits: Matrix;
  readonly #sequences: readonly Sequence[];

  constructor(
    tools: TuningTools,
    { samples, length }: CalibrationIds,
    { x, logits }: { readonly x: Matrix; readonly logits: Matrix },
  ) {
    this.#tools = tools;
    this.#x = x;
    this.#logits = logits;
    const step = Math.min(heldOutEvery, samples);
    this.#sequences = Array.from({ length: samples }, (_, i) => {
      return { start: i * length, end: (i + 1) * length, isHeldOut: i % step === step - 1 };
    });
  }

  /** The residual L - X·Gᵀ of a gate G, and the sum of its squares over the held-out rows. */
  async residualOf(
    gate: Float32Array<SharedArrayBuffer>,
  ): Promise<{ residual: Matrix; heldOut: number }> {
    const { ops } = this.#tools;
    const residual = await ops.linear(this.#x, asWeight(gate, this.#x.columns));
    const sums = await Promise.all(
      this.#sequences.map(async ({ start, end, isHeldOut }) => {
        const job = { x: rowsOf(residual, start, end), from: rowsOf(this.#logits, start, end) };
        const { squares } = await ops.kernel.run("subtract", job);
        return isHeldOut ? squares : 0;
      }),
    );
    return { residual, heldOut: sums.reduce((sum, squares) => sum + squares, 0) };
  }

  /**
   * The change Rᵀ X (Xᵀ X + damping)⁻¹ of the gate, `[routed, hidden]`, for a residual R, over all
   * rows that are not held out. Null if there are none, or if Xᵀ X has no factor.
   */
  async solve(residual: Matrix): Promise<Matrix | null> {
    const { kernel, hessianBuffers } = this.#tools;
    const rows = rowNumbers(this.#sequences.filter(({ isHeldOut }) => !isHeldOut));
    if (rows.length === 0) return null;
    const x = this.#x;
    const gram = newGram(hessianBuffers, x.columns);
    const moments = newMatrix(residual.columns, x.columns);
    await Promise.all([
      addGram(kernel, { x, sums: gram.sums, alpha: 1, rows }),
      cross(kernel, { x: residual, y: x, sums: moments, rows }),
    ]);
    const hessian = await makeHessian(this.#tools, gram);
    const { factor, order } = hessian;
    if (factor !== null) await kernel.run("solve", { factor, order, b: moments });
    gram.release();
    hessian.release();
    return factor === null ? null : moments;
  }
}

function rowNumbers(ranges: readonly Sequence[]): Uint32Array<SharedArrayBuffer> {
  const numbers = ranges.flatMap(({ start, end }) =>
    Array.from({ length: end - start }, (_, i) => start + i),
  );
  const shared = sharedIntegers(numbers.length);
  shared.set(numbers);
  return shared;
}
