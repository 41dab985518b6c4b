import type { CalibrationIds } from "../calibration/calibration-ids.ts";
import type { FloatDtype } from "../kernel/dtype.ts";
import { gram as addGram, cross } from "../kernel/grams.ts";
import type { Leases } from "../kernel/lease.ts";
import {
  asWeight,
  bytesOf,
  type Matrix,
  newMatrix,
  rowsOf,
  sharedFloats,
  sharedIntegers,
} from "../kernel/matrix.ts";
import { toFloats } from "../kernel/to-floats.ts";
import { keptDtype, modulePath } from "../mlx/format.ts";
import { storedWeights } from "../mlx/mlx-weights.ts";
import type { TierSink } from "../mlx/tier-sink.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { byRole } from "../models/by-role.ts";
import type { Ops } from "../models/ops.ts";
import type { Routing } from "../models/routing.ts";
import { type Model, runModel } from "../models/run.ts";
import type { TierPlan } from "../plan/plan-types.ts";
import { makeHessian, newGram } from "./hessian.ts";
import type { RouterRecord } from "./tuning-record.ts";

type Floats = Float32Array<SharedArrayBuffer>;

/** What the base's routers say behind its own blocks, by layer. */
export class BaseRouters {
  readonly #ops: Ops;
  readonly #logits = new Map<number, Matrix>();
  readonly #choices = new Map<number, Routing>();

  constructor(ops: Ops) {
    this.#ops = ops;
  }

  /** Takes down the logits of an input `[tokens, hidden]` under the gate `[routed, hidden]`. */
  async see(layer: number, x: Matrix, gate: Floats): Promise<void> {
    this.#logits.set(layer, await this.#ops.linear(x, asWeight(gate, x.columns)));
  }

  /** Takes down a choice of experts. */
  choose(layer: number, { scores: _, ...own }: Routing): void {
    this.#choices.set(layer, { ...own, scores: sharedFloats(0) }); // who follows the choice has scores of his own
  }

  /** Lets a run of the base be seen, and nothing come of it. */
  async run(base: Model, { ids, length }: CalibrationIds): Promise<void> {
    const router = async (layer: number, role: string, x: Matrix) => {
      const gate = (await base.weights.kept(layer, role))!;
      await this.see(layer, x, gate);
      return gate;
    };
    const routes = (layer: number, own: Routing) => {
      this.choose(layer, own);
      return own;
    };
    await runModel(base, ids, { length, router, routes });
  }

  /** `[tokens, routed]` */
  logits(layer: number): Matrix {
    return this.#logits.get(layer)!;
  }

  choice(layer: number): Routing {
    return this.#choices.get(layer)!;
  }
}

export interface RouterRepairRequest {
  readonly base: Model;
  readonly tensors: readonly PlannedTensor[];
  readonly storage: FloatDtype;
  readonly plan: TierPlan;
  /** Holds all of the tier but its gates. */
  readonly sink: TierSink;
  readonly rows: CalibrationIds;
  readonly routers: BaseRouters;
  readonly buffers: Leases;
}

/** One of so many rows is kept out of the fit, to judge it by. */
const heldApart = 8;

/**
 * Runs a tier as it is stored along the base's choices of experts (an expert that only the tier chose makes an error that no gate
 * can foresee), and fits the gate of every router to the base's logits L behind the tier's own blocks, by ridge least squares:
 * G' = G + (L - X·Gᵀ)ᵀX (XᵀX + damping)⁻¹, X being what the tier's router sees. Writes it, or G where G' is no better on the rows kept
 * apart. Later blocks see what was written.
 */
export async function repairRouters(
  request: RouterRepairRequest,
): Promise<readonly RouterRecord[]> {
  const { base, tensors, storage, plan, sink, rows } = request;
  const { kernel } = base.ops;
  const table = byRole(tensors);
  const finished = tensors.map((tensor) => {
    const width = plan.modules[modulePath(tensor)];
    return { ...tensor, width, dtype: width === undefined ? keptDtype(tensor, storage) : storage };
  });
  const weights = storedWeights(finished, sink.read.bind(sink), kernel);
  const records: RouterRecord[] = [];
  const router = async (layer: number, role: string, x: Matrix) => {
    const tensor = table.get(layer, role);
    const store = async (gate: Floats) => {
      const dtype = keptDtype(tensor, storage);
      const { bytes } = await kernel.cast({ weights: bytesOf(gate), from: "F32", to: dtype });
      return { bytes, gate: await toFloats(bytes as Uint8Array<SharedArrayBuffer>, dtype, kernel) };
    };
    const own = await store((await base.weights.kept(layer, role))!);
    const fit = new GateFit(request, x, request.routers.logits(layer));
    const before = await fit.deviate(own.gate);
    const delta = await fit.solve(before.difference);
    let [kept, ratio] = [own, null as number | null];
    if (delta !== null) {
      await base.ops.add(delta, { ...delta, data: own.gate });
      const fitted = await store(delta.data);
      ratio = (await fit.deviate(fitted.gate)).heldApart / before.heldApart;
      if (ratio < 1) kept = fitted;
    }
    await sink.write(tensor.name, 0, kept.bytes);
    records.push({
      layer,
      repaired: kept !== own,
      ratio: ratio !== null && Number.isFinite(ratio) ? ratio : null,
    });
    return kept.gate;
  };
  await runModel({ ...base, weights }, rows.ids, {
    length: rows.length,
    router,
    routes: (layer) => request.routers.choice(layer),
  });
  return records;
}

/** One layer's least squares: X `[tokens, hidden]`, L `[tokens, routed]`. */
class GateFit {
  readonly #request: RouterRepairRequest;
  readonly #x: Matrix;
  readonly #logits: Matrix;
  readonly #sequences: readonly {
    readonly start: number;
    readonly end: number;
    readonly isHeld: boolean;
  }[];

  constructor(request: RouterRepairRequest, x: Matrix, logits: Matrix) {
    this.#request = request;
    this.#x = x;
    this.#logits = logits;
    const { samples, length } = request.rows;
    const step = Math.min(heldApart, samples);
    this.#sequences = Array.from({ length: samples }, (_, i) => {
      return { start: i * length, end: (i + 1) * length, isHeld: i % step === step - 1 };
    });
  }

  /** L - X·Gᵀ, and the sum of its squares over the rows kept apart. */
  async deviate(gate: Floats): Promise<{ difference: Matrix; heldApart: number }> {
    const { ops } = this.#request.base;
    const difference = await ops.linear(this.#x, asWeight(gate, this.#x.columns));
    const sums = await Promise.all(
      this.#sequences.map(async ({ start, end, isHeld }) => {
        const job = { x: rowsOf(difference, start, end), from: rowsOf(this.#logits, start, end) };
        const { squares } = await ops.kernel.run("subtract", job);
        return isHeld ? squares : 0;
      }),
    );
    return { difference, heldApart: sums.reduce((sum, squares) => sum + squares, 0) };
  }

  /** DᵀX (XᵀX + damping)⁻¹, `[routed, hidden]`, over the rows that are not kept apart; null where there are none, or X has no moments to speak of. */
  async solve(difference: Matrix): Promise<Matrix | null> {
    const { buffers, base } = this.#request;
    const { kernel } = base.ops;
    const rows = rowNumbers(this.#sequences.filter(({ isHeld }) => !isHeld));
    if (rows.length === 0) return null;
    const x = this.#x;
    const gram = newGram(buffers, x.columns);
    const moments = newMatrix(difference.columns, x.columns);
    await Promise.all([
      addGram(kernel, x, gram.sums, 1, rows),
      cross(kernel, difference, x, moments, rows),
    ]);
    const hessian = await makeHessian(kernel, buffers, gram, { target: null, strength: 0 });
    const { factor, order } = hessian;
    if (factor !== null) await kernel.run("solve", { factor, order, b: moments });
    gram.release();
    hessian.release();
    return factor === null ? null : moments;
  }
}

function rowNumbers(
  ranges: readonly { readonly start: number; readonly end: number }[],
): Uint32Array<SharedArrayBuffer> {
  const numbers = ranges.flatMap(({ start, end }) =>
    Array.from({ length: end - start }, (_, i) => start + i),
  );
  const shared = sharedIntegers(numbers.length);
  shared.set(numbers);
  return shared;
}
