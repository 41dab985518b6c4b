import type { CalibrationIds } from "../calibration/calibration-ids.ts";
import { bytesOf, type Matrix } from "../kernel/matrix.ts";
import { toFloats } from "../kernel/to-floats.ts";
import { unquantizedDtype } from "../mlx/format.ts";
import { storedWeights } from "../mlx/mlx-weights.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { byRole } from "../models/by-role.ts";
import { type Model, runModel } from "../models/run.ts";
import { widthOf } from "../plan/plan-widths.ts";
import type { BaseRouters } from "./base-routers.ts";
import { GateFit } from "./gate-fit.ts";
import type { TierTarget } from "./tier-writer.ts";
import type { RouterRecord } from "./tuning-record.ts";
import type { TuningTools } from "./tuning-tools.ts";

type Floats = Float32Array<SharedArrayBuffer>;

export interface RouterRepairRequest {
  readonly base: Model;
  readonly tensors: readonly PlannedTensor[];
  /** Its sink contains the whole tier except the gates. */
  readonly tier: TierTarget;
  readonly rows: CalibrationIds;
  readonly routers: BaseRouters;
  readonly tools: TuningTools;
}

/**
 * Fits the gate G of every router to the base's logits, given the inputs X that the router has in
 * the tier as stored: G' = G + (L - X·Gᵀ)ᵀX (XᵀX + damping)⁻¹. Writes G', or G if G' is no better
 * on the held-out rows. Later blocks see the written gate. The tier follows the base's choice of
 * experts, because no gate can foresee the error of an expert that only the tier chose.
 */
export async function repairRouters(
  request: RouterRepairRequest,
): Promise<readonly RouterRecord[]> {
  const { base, rows, routers } = request;
  const records: RouterRecord[] = [];
  const router = async (layer: number, role: string, x: Matrix) => {
    const { gate, ...record } = await repairRouter(request, layer, role, x);
    records.push({ layer, ...record });
    return gate;
  };
  const model = { ...base, weights: weightsOf(request) };
  const { length } = rows;
  await runModel(model, rows.ids, { length, router, routes: (layer) => routers.choice(layer) });
  return records;
}

/** The tier's weights, read back from its shards. */
function weightsOf({ tensors, tier: { plan, sink }, tools }: RouterRepairRequest) {
  const { storage, kernel } = tools;
  const finished = tensors.map((tensor) => {
    const width = widthOf(plan, tensor);
    return {
      ...tensor,
      width,
      dtype: width === undefined ? unquantizedDtype(tensor, storage) : storage,
    };
  });
  return storedWeights(finished, sink.read.bind(sink), kernel);
}

/** Fits one gate and writes it, or the base's own. Returns the gate as stored. */
async function repairRouter(
  request: RouterRepairRequest,
  layer: number,
  role: string,
  x: Matrix,
): Promise<Omit<RouterRecord, "layer"> & { readonly gate: Floats }> {
  const { base, tensors, tier, rows, routers, tools } = request;
  const tensor = byRole(tensors).get(layer, role);
  const store = async (gate: Floats) => {
    const dtype = unquantizedDtype(tensor, tools.storage);
    const job = { weights: bytesOf(gate), from: "F32", to: dtype } as const;
    const bytes = (await tools.kernel.cast(job)).bytes as Uint8Array<SharedArrayBuffer>;
    return { bytes, gate: await toFloats(bytes, dtype, tools.kernel) };
  };
  const own = await store((await base.weights.unquantized(layer, role))!);
  const fit = new GateFit(tools, rows, { x, logits: routers.logits(layer) });
  const before = await fit.residualOf(own.gate);
  const change = await fit.solve(before.residual);
  let stored = own;
  let ratio: number | null = null;
  if (change !== null) {
    await base.ops.add(change, { ...change, data: own.gate });
    const fitted = await store(change.data);
    ratio = (await fit.residualOf(fitted.gate)).heldOut / before.heldOut;
    if (ratio < 1) stored = fitted;
  }
  await tier.sink.write(tensor.name, 0, stored.bytes);
  const known = ratio !== null && Number.isFinite(ratio) ? ratio : null;
  return { repaired: stored !== own, ratio: known, gate: stored.gate };
}
