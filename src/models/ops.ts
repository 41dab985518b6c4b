import { pieces } from "../ground/pieces.ts";
import { inOrder } from "../kernel/in-order.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import type { Floats } from "../kernel/matrix.ts";
import {
  type Matrix,
  newMatrix,
  rowsOf,
  sharedFloats,
  sharedIntegers,
  type Weight,
  weightRows,
} from "../kernel/matrix.ts";
import type { AttentionJob } from "../kernel/routines/attention.ts";
import type { ElementwiseJob } from "../kernel/routines/elementwise.ts";
import type { DeltaMixer } from "../kernel/routines/gated-delta.ts";
import type { Mixer } from "../kernel/routines/mamba.ts";
import type { RopeScaling } from "../kernel/routines/rotary.ts";
import type { RouterRules } from "../kernel/routines/route.ts";
import { batchesAtOnce, batchTokens, productRows } from "./batches.ts";
import type { Routing } from "./routing.ts";

/** Rows in one job of an operation that costs little for each element. */
const lightRows = 2048;

interface LinearTarget {
  readonly y: Matrix;
  readonly left: number;
  readonly squared?: boolean;
}

/**
 * The operations of a forward pass over matrices of any size, cut into jobs for the kernel. A job
 * has whole rows, or whole sequences, and these are independent: no result depends on the cut.
 */
export class Ops {
  readonly kernel: Kernel;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  /** `x · Wᵀ + bias`, `[rows, out]`. */
  async linear(x: Matrix, weight: Weight, bias: Floats | null = null): Promise<Matrix> {
    const y = newMatrix(x.rows, weight.rows);
    await this.linearInto(x, weight, bias, { y, left: 0 });
    return y;
  }

  /** max(x · Wᵀ, 0)² */
  async squaredLinear(x: Matrix, weight: Weight): Promise<Matrix> {
    const y = newMatrix(x.rows, weight.rows);
    await this.linearInto(x, weight, null, { y, left: 0, squared: true });
    return y;
  }

  /**
   * `linear` into y, for a weight with many rows, such as a head. They are shared by the workers:
   * for few rows of x, preparing the weight costs as much as the products.
   */
  async linearByOutputs(x: Matrix, weight: Weight, y: Matrix): Promise<void> {
    await this.shareOut(weight.rows, async (left, end) => {
      const part = { weight: weightRows(weight, left, end), left };
      await this.kernel.run("linear", { x, rows: null, bias: null, y, ...part });
    });
  }

  /** As `linear`, into columns `[left, left + out)` of y; with `squared` max(…, 0)² of it. */
  async linearInto(
    x: Matrix,
    weight: Weight,
    bias: Floats | null,
    { y, left, squared }: LinearTarget,
  ): Promise<void> {
    await eachPiece(x.rows, productRows, (start, end) => {
      const rows = { x: rowsOf(x, start, end), rows: null, y: rowsOf(y, start, end) };
      return this.kernel.run("linear", {
        ...rows,
        weight,
        bias,
        left,
        ...(squared && { squared }),
      });
    });
  }

  /** `x · weight / √(mean of x² + eps)` by row, into y, which may be x. */
  async rmsNorm(x: Matrix, weight: Floats, eps: number, y: Matrix): Promise<void> {
    await eachPiece(x.rows, lightRows, (start, end) => {
      return this.kernel.run("rmsNorm", {
        x: rowsOf(x, start, end),
        weight,
        eps,
        y: rowsOf(y, start, end),
      });
    });
  }

  /** SiLU(gate) · up, in place of gate. Gives it. */
  swiglu(gate: Matrix, up: Matrix): Promise<Matrix> {
    return this.#combine("swiglu", gate, up);
  }

  /** The same of gpt-oss: (up + 1) · gate · sigmoid(1.702 · gate), both clamped. */
  clampedSwiglu(gate: Matrix, up: Matrix): Promise<Matrix> {
    return this.#combine("clampedSwiglu", gate, up);
  }

  /** x + by, in place of x. Gives it. */
  add(x: Matrix, by: Matrix): Promise<Matrix> {
    return this.#combine("add", x, by);
  }

  async #combine(what: ElementwiseJob["what"], x: Matrix, by: Matrix): Promise<Matrix> {
    await eachPiece(x.rows, lightRows, (start, end) => {
      return this.kernel.run("elementwise", {
        what,
        x: rowsOf(x, start, end),
        by: rowsOf(by, start, end),
      });
    });
    return x;
  }

  /** Multiplies every row of x by the sigmoid of its gate, in place. `gates [rows, 1]`: logits. */
  async gateRows(x: Matrix, gates: Matrix): Promise<void> {
    await eachPiece(x.rows, lightRows, (start, end) => {
      const job = { x: rowsOf(x, start, end), gates: rowsOf(gates, start, end) };
      return this.kernel.run("gateRows", job);
    });
  }

  /** Rows of x by number. */
  async gather(x: Matrix, rows: Uint32Array<SharedArrayBuffer>): Promise<Matrix> {
    const y = newMatrix(rows.length, x.columns);
    await eachPiece(rows.length, lightRows, (start, end) => {
      return this.kernel.run("gather", {
        x,
        rows: rows.subarray(start, end),
        y: rowsOf(y, start, end),
      });
    });
    return y;
  }

  /** `y[rows[i]] += weights[i] · x[i]`; no row twice. */
  async accumulate(
    y: Matrix,
    rows: Uint32Array<SharedArrayBuffer>,
    weights: Floats,
    x: Matrix,
  ): Promise<void> {
    await eachPiece(rows.length, lightRows, (start, end) => {
      const [some, shares] = [rows.subarray(start, end), weights.subarray(start, end)];
      return this.kernel.run("accumulate", {
        x: rowsOf(x, start, end),
        rows: some,
        weights: shares,
        y,
      });
    });
  }

  /**
   * Overwrites the rows of y whose ids are in `[first, first + table.rows)`, a part of the table.
   */
  async embed(
    y: Matrix,
    ids: Uint32Array<SharedArrayBuffer>,
    table: Weight,
    first: number,
  ): Promise<void> {
    await eachPiece(ids.length, lightRows, (start, end) => {
      const job = { table, first, ids: ids.subarray(start, end), y: rowsOf(y, start, end) };
      return this.kernel.run("embed", job);
    });
  }

  /** Sequences of `length` tokens through a Mamba-2 mixer, into y. */
  async mamba(z: Matrix, length: number, mixer: Mixer, y: Matrix): Promise<void> {
    await eachPiece(z.rows, length, (start, end) => {
      return this.kernel.run("mamba", {
        z: rowsOf(z, start, end),
        length,
        mixer,
        y: rowsOf(y, start, end),
      });
    });
  }

  /** Sequences of `length` tokens through a gated DeltaNet mixer, into y. */
  async gatedDelta(x: Matrix, length: number, mixer: DeltaMixer, y: Matrix): Promise<void> {
    await eachPiece(x.rows, length, (start, end) => {
      const part = { x: rowsOf(x, start, end), y: rowsOf(y, start, end) };
      return this.kernel.run("gatedDelta", { ...part, length, mixer });
    });
  }

  /** Causal self-attention within sequences of `length` tokens, into y. */
  async attention({ q, k, v, y, length, heads }: AttentionJob): Promise<void> {
    await eachPiece(q.rows, length, (start, end) => {
      const part = (matrix: Matrix) => rowsOf(matrix, start, end);
      const job = { q: part(q), k: part(k), v: part(v), y: part(y), length, heads };
      return this.kernel.run("attention", job);
    });
  }

  /** Cosines and sines `[positions, size / 2]`. */
  async rotary(base: number, size: number, scaling: RopeScaling, positions: number) {
    const [cosines, sines] = [
      sharedFloats((positions * size) / 2),
      sharedFloats((positions * size) / 2),
    ];
    await this.kernel.run("rotary", { base, size, scaling, cosines, sines });
    return { cosines, sines };
  }

  /** The router's choice for every row of `logits [tokens, routed]`, which become its scores. */
  async route(logits: Matrix, rules: RouterRules): Promise<Routing> {
    const { rows: tokens } = logits;
    const { routed, visited: perToken, candidates } = rules;
    const experts = sharedIntegers(tokens * candidates);
    const [selection, weights] = [
      sharedFloats(tokens * candidates),
      sharedFloats(tokens * perToken),
    ];
    const routing = {
      tokens,
      routed,
      perToken,
      candidates,
      experts,
      selection,
      weights,
      scores: logits.data,
    };
    await this.#route(routing, rules, false);
    return routing;
  }

  /** The experts of `forced` with the weights that `own` gives them. */
  async reroute(own: Routing, forced: Routing, rules: RouterRules): Promise<Routing> {
    const routing = { ...forced, scores: own.scores, weights: sharedFloats(own.weights.length) };
    await this.#route(routing, rules, true);
    return routing;
  }

  async #route(
    { tokens, routed, perToken, candidates, ...arrays }: Routing,
    rules: RouterRules,
    forced: boolean,
  ) {
    const { experts, selection, weights, scores } = arrays;
    await eachPiece(tokens, lightRows, (start, end) => {
      const cut = <T extends Floats | Uint32Array>(array: T, n: number) =>
        array.subarray(start * n, end * n) as T;
      return this.kernel.run("route", {
        scores: { data: cut(scores, routed), rows: end - start, columns: routed },
        rules,
        experts: cut(experts, candidates),
        selection: cut(selection, candidates),
        weights: cut(weights, perToken),
        forced,
      });
    });
  }

  /** Visits `rows` independent rows in as many parts as there are workers. */
  async shareOut(
    rows: number,
    visit: (start: number, end: number) => Promise<void>,
  ): Promise<void> {
    await eachPiece(rows, Math.ceil(rows / this.kernel.workers), visit);
  }

  /**
   * Visits `tokens` rows in batches of whole sequences: some results are too wide for all at once.
   */
  async inBatches(
    tokens: number,
    length: number,
    visit: (start: number, end: number) => Promise<void>,
  ): Promise<void> {
    const step = Math.max(1, Math.floor(batchTokens(this.kernel) / length)) * length;
    const tasks = pieces(tokens, step).map((piece) => () => visit(...piece));
    for await (const _ of inOrder(tasks, batchesAtOnce(this.kernel)));
  }
}

/** Visits `[start, end)` of `count`, `size` at a time, all at once. */
async function eachPiece(
  count: number,
  size: number,
  visit: (start: number, end: number) => Promise<void>,
) {
  await Promise.all(pieces(count, size).map((piece) => visit(...piece)));
}
