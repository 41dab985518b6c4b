import { scramble } from "../calibration/random.ts";
import { compareHidden, type Head } from "../evaluation/divergence.ts";
import { type Matrix, newMatrix, rowsOf, sharedFloats, sharedIntegers } from "../kernel/matrix.ts";
import type { LayerKind } from "../models/layer-kind.ts";
import type { Ops } from "../models/ops.ts";
import type { Routing } from "../models/routing.ts";
import {
  blockContext,
  type Model,
  openHead,
  plainContext,
  type RunOptions,
} from "../models/run.ts";
import { addMargins, type Boundary } from "./margins.ts";

/**
 * Copies of the probe rows' hidden states, each with one thing changed somewhere: a tensor at the probe's width, or noise. They walk
 * on beside the base, follow its choice of experts, and show at the end what the change does to the text.
 */
export interface Probe {
  readonly name: string;
  x: Matrix;
  /** Σ over the routers met so far of density² · E[(change of the margin)²]. */
  flipPower: number;
}

/** Probes that run together: memory for activations against fewer reads of each weight. */
const mostTogether = 8;

/** Runs one block over probes, with the base's choice of experts forced on all but `free`. */
export async function advance(
  model: Model,
  place: { readonly layer: number; readonly kind: LayerKind },
  probes: readonly Probe[],
  reference: { readonly length: number; readonly boundary: Boundary | null },
  free: readonly Probe[] = [],
): Promise<void> {
  for (let first = 0; first < probes.length; first += mostTogether) {
    const some = probes.slice(first, first + mostTogether);
    const together = join(some.map(({ x }) => x));
    const routes = (_: number, own: Routing) => {
      const { boundary } = reference;
      if (boundary === null) return own;
      addMargins(boundary, own, some);
      return follow(
        boundary.routing,
        own,
        some.map((probe) => free.includes(probe)),
      );
    };
    const options: RunOptions = { length: reference.length, routes };
    const context = blockContext(model, place.layer, place.kind, options);
    const y = await model.architecture.forward.block(context, together);
    const rows = together.rows / some.length;
    for (const [i, probe] of some.entries()) probe.x = rowsOf(y, i * rows, (i + 1) * rows);
  }
}

/** The base's choice for every copy of the rows, or the copy's own where it is free. */
function follow(base: Routing, own: Routing, free: readonly boolean[]): Routing {
  const copies = free.length;
  const experts = sharedIntegers(copies * base.experts.length);
  const selection = sharedFloats(copies * base.selection.length);
  for (let i = 0; i < copies; i++) {
    const at = i * base.experts.length;
    const end = at + base.experts.length;
    experts.set(free[i] ? own.experts.subarray(at, end) : base.experts, at);
    selection.set(free[i] ? own.selection.subarray(at, end) : base.selection, at);
  }
  return { ...own, experts, selection };
}

function join(parts: readonly Matrix[]): Matrix {
  if (parts.length === 1) return parts[0]!;
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const whole = newMatrix(rows, parts[0]!.columns);
  let at = 0;
  for (const { data } of parts) {
    whole.data.set(data, at);
    at += data.length;
  }
  return whole;
}

/** Hidden states with noise of `relative` times the mean power of a row added. Seeded by the place alone. */
export async function withNoise(
  ops: Ops,
  x: Matrix,
  relative: number,
  seed: number,
): Promise<Matrix> {
  const noise = newMatrix(x.rows, x.columns);
  fillGaussian(noise.data, seed);
  const powers = await squaredDistances(ops, x, newMatrix(x.rows, x.columns));
  const mean = powers.reduce((sum, power) => sum + power, 0) / powers.length;
  const numbers = sharedIntegers(x.rows);
  for (let i = 0; i < numbers.length; i++) numbers[i] = i;
  const weights = sharedFloats(x.rows).fill(Math.sqrt((relative * mean) / x.columns));
  const y = newMatrix(x.rows, x.columns);
  y.data.set(x.data);
  await ops.accumulate(y, numbers, weights, noise);
  return y;
}

/** Nearly Gaussian numbers of variance 1 from a hash of the place: the same everywhere. */
function fillGaussian(values: Float32Array, seed: number): void {
  const uniform = (i: number) => {
    const bits = scramble(Math.imul(i + 1, 0x9e3779b9) ^ Math.imul(seed + 1, 0x7feb352d));
    return (bits + 0.5) / 2 ** 32;
  };
  for (let i = 0; i < values.length; i++) {
    // Only basic operations are the same on every platform: a sum of twelve uniforms is close enough to a Gaussian.
    let sum = -6;
    for (let k = 0; k < 12; k++) sum += uniform(12 * i + k);
    values[i] = sum;
  }
}

/** Σ (x - y)² of each row. */
export async function squaredDistances(ops: Ops, x: Matrix, y: Matrix): Promise<Float64Array> {
  const out = new Float64Array(new SharedArrayBuffer(8 * x.rows));
  await ops.shareOut(x.rows, (start, end) =>
    ops.kernel.run("distances", {
      x: rowsOf(x, start, end),
      y: rowsOf(y, start, end),
      out: out.subarray(start, end),
    }),
  );
  return out;
}

/** KL(base ‖ probe) `[positions]` of every probe in nats; `head`: the model whose head makes a probe's logits. */
export async function divergences(
  base: Model,
  reference: Matrix,
  probes: readonly { readonly x: Matrix; readonly head: Model }[],
  length: number,
): Promise<readonly Float64Array[]> {
  const finish = (model: Model, x: Matrix) =>
    model.architecture.forward.finish(plainContext(model, null, { length }), x);
  const heads = new Map<Model, Head>();
  for (const model of new Set([base, ...probes.map(({ head }) => head)]))
    heads.set(model, await openHead(model));
  const models: { hidden: Matrix; head: Head }[] = [];
  for (const { x, head } of probes)
    models.push({ hidden: await finish(head, x), head: heads.get(head)! });
  const own = await finish(base, reference);
  // Which token follows is not asked: only the divergence is looked at.
  const found = await compareHidden(
    base.ops,
    heads.get(base)!,
    own,
    models,
    sharedIntegers(reference.rows),
  );
  return found.map((out) => Float64Array.from({ length: reference.rows }, (_, t) => out[4 * t]!));
}
