import { baseRows } from "../base/base-rows.ts";
import { finiteWeights } from "../base/base-weights.ts";
import { silentReport } from "../ground/report.ts";
import { bytesPerElement } from "../kernel/dtype.ts";
import { Leases } from "../kernel/lease.ts";
import { elements, modulePath } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { Ops } from "../models/ops.ts";
import { headRole, outerRole, plainContext } from "../models/run.ts";
import { BlockTuner } from "./block-tuner.ts";
import { ResidualRepair } from "./residual-repair.ts";
import { quantizeSeries } from "./round-series.ts";
import { RouterAim } from "./router-aim.ts";
import { BaseRouters, repairRouters } from "./router-repair.ts";
import type { TuneRequest, TuneSeriesRequest, TuneWalk } from "./tune-types.ts";
import type { TunedTier } from "./tuned-tier.ts";
import { TuningLedger } from "./tuning-ledger.ts";

/**
 * Walks the model block by block with the hidden states of all calibration rows, and tunes every matrix with the Hessian of its own
 * input. `reference`: one walk on the base's activations serves all plans. `sequential`: one walk a plan, each block seeing what the
 * plan made of the blocks before it. The bytes depend neither on the number of workers nor on timing.
 * Throws BAD_CHECKPOINT for non-finite weights or activations.
 */
export async function tuneSeries(request: TuneSeriesRequest): Promise<readonly TunedTier[]> {
  const { base, plans } = request;
  const total = plans.length * base.tensors.reduce((sum, tensor) => sum + bytesOf(tensor), 0);
  let done = 0;
  const progress = (bytes: number) => {
    done += bytes;
    request.report.tick(done, total, "bytes");
  };
  const full: TuneRequest = {
    ...request,
    storage: base.storage,
    read: baseRows(base.checkpoint, request.kernel),
    progress,
  };
  const together = plans.map((_, index) => index);
  const walks =
    request.propagation === "sequential" ? together.map((index) => [index]) : [together];
  const tiers: TunedTier[] = [];
  const routers = new BaseRouters(new Ops(request.kernel));
  for (const plansOfWalk of walks) {
    const ledger = await walk(full, plansOfWalk, routers);
    tiers.push(...plansOfWalk.map((index) => ledger.close(plans[index]!)));
  }
  if (!mendsRouters(full)) return tiers;
  const model = {
    architecture: base.architecture,
    config: base.config,
    ops: new Ops(request.kernel),
  };
  const own = { ...model, weights: finiteWeights(base, request.kernel) };
  const { calibration: rows } = request;
  if (request.propagation === "sequential") await routers.run(own, rows);
  const repaired: TunedTier[] = [];
  for (const [i, tier] of tiers.entries()) {
    const [plan, sink] = [plans[i]!, request.sinks[i]!];
    const place = { base: own, tensors: base.tensors, storage: base.storage, plan, sink, rows };
    request.report.info(`${plan.tier}: fitting its routers to the base's`);
    const records = await repairRouters({ ...place, routers, buffers: new Leases() });
    repaired.push({
      ...tier,
      tuning: { ...tier.tuning, repair: { ...tier.tuning.repair, routers: records } },
    });
  }
  return repaired;
}

/** Whether gates are written when everything else is. */
function mendsRouters({ repair, base }: TuneSeriesRequest): boolean {
  return repair.includes("router") && base.tensors.some(({ role }) => role.kind === "router");
}

async function walk(
  request: TuneRequest,
  plans: readonly number[],
  routers: BaseRouters,
): Promise<TuningLedger> {
  const sequential = request.propagation === "sequential";
  const { base, calibration } = request;
  const { architecture, config } = base;
  const ledger = new TuningLedger(base);
  const ops = new Ops(request.kernel);
  const weights = finiteWeights(base, request.kernel);
  const aims = request.repair.includes("rounding");
  const aim = aims ? await RouterAim.open(request.kernel, base.tensors, weights) : null;
  const shared: TuneWalk = {
    request,
    plans,
    sequential,
    ops,
    ledger,
    hessianBuffers: new Leases(),
    resultBuffers: new Leases(),
    aim,
    routers: mendsRouters(request) && !sequential ? routers : null,
  };
  const kinds = architecture.layers(config);
  const glue = base.tensors.filter(({ layer }) => layer === null);
  await keep(request, plans);
  const ends = new BlockTuner(shared, glue, { layer: -1, kind: kinds[0]! });
  const [head, table] = [headRole(architecture, config), outerRole(architecture, "embeddings")].map(
    (name) => glue.find((tensor) => tensor.role.role === name)!,
  ) as [PlannedTensor, PlannedTensor];
  // A tied table is the head too: it is tuned as such, and looked up as it is in the base until then.
  if (table !== head && isQuantized(request, table)) await ends.tuneTable(table);
  let x = await architecture.forward.embed(ends, calibration.ids);
  const own = { architecture, config, ops, weights };
  const { length } = calibration;
  const mends = sequential && request.repair.includes("residual");
  let beside = mends
    ? await architecture.forward.embed(plainContext(own, null, { length }), calibration.ids)
    : null;
  let moved = 0;
  for (const [layer, kind] of kinds.entries()) {
    const tensors = base.tensors.filter((tensor) => tensor.layer === layer);
    const quantized = tensors.filter((tensor) => isQuantized(request, tensor));
    const residual =
      beside && new ResidualRepair({ base: own, layer, kind, length, tensors: quantized });
    if (residual !== null && beside !== null) beside = await residual.run(beside);
    const block = new BlockTuner(shared, tensors, { layer, kind }, residual);
    x = await architecture.forward.block(block, x);
    await block.close();
    moved += residual?.moved ?? 0;
  }
  const last = await architecture.forward.finish(ends, x);
  if (isQuantized(request, head)) await ends.tuneHead(head, last);
  ledger.moved = mends ? moved : null;
  ledger.aimed = aim?.modules.size ?? null;
  return ledger;
}

/** Writes the tensors that no tier quantizes. */
async function keep(request: TuneRequest, plans: readonly number[]): Promise<void> {
  const isKept = (tensor: PlannedTensor) => !isQuantized(request, tensor);
  const isLater = ({ role }: PlannedTensor) => mendsRouters(request) && role.kind === "router";
  const tensors = request.base.tensors.filter((tensor) => isKept(tensor) && !isLater(tensor));
  const pick = <T>(list: readonly T[]) => plans.map((plan) => list[plan]!);
  const [some, sinks] = [pick(request.plans), pick(request.sinks)];
  await quantizeSeries({ ...request, tensors, plans: some, sinks, report: silentReport });
  request.progress(plans.length * tensors.reduce((sum, tensor) => sum + bytesOf(tensor), 0));
}

function isQuantized({ plans }: TuneRequest, tensor: PlannedTensor): boolean {
  return Object.hasOwn(plans[0]!.modules, modulePath(tensor));
}

function bytesOf(tensor: PlannedTensor): number {
  return elements(tensor.shape) * bytesPerElement[tensor.dtype]!;
}
