import type { Base } from "../base/base.ts";
import { baseRows } from "../base/base-rows.ts";
import { baseWeights, finiteWeights } from "../base/base-weights.ts";
import { silentReport } from "../ground/report.ts";
import { sum } from "../ground/sum.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { type KeptWeights, keepWeights } from "../models/kept-weights.ts";
import { withReadAhead } from "../models/read-ahead.ts";
import { type Ride, type Rider, rideAll } from "../models/rider.ts";
import { isTiedTable, type Model, type WeightSource } from "../models/run.ts";
import { BaseRouters } from "./base-routers.ts";
import { noLog } from "./part-record.ts";
import { quantizeSeries } from "./round-series.ts";
import { RouterDirections } from "./router-directions.ts";
import { RouterRepair } from "./router-repair.ts";
import { weightsOfTier } from "./stored-tier.ts";
import { tableGram } from "./table-hessian.ts";
import { type TierTarget, TierWriter } from "./tier-writer.ts";
import { bytesOf } from "./tune-part.ts";
import type { TuneSeriesRequest, TuneWalk } from "./tune-types.ts";
import type { TunedTier } from "./tuned-tier.ts";
import { TuningLedger } from "./tuning-ledger.ts";
import { TuningRider } from "./tuning-rider.ts";
import { gateRowsOf } from "./tuning-settings.ts";
import { openTools, type TuningTools } from "./tuning-tools.ts";

/** Values that all walks of a series share. */
interface Series {
  readonly request: TuneSeriesRequest;
  readonly tools: TuningTools;
  readonly model: Model;
  readonly kept: KeptWeights;
  readonly tiers: readonly TierTarget[];
  /** Whether router gates are repaired, and written then. */
  readonly repaired: boolean;
  /** Null if no routers are repaired in this run. */
  readonly routers: BaseRouters | null;
  readonly progress: (bytes: number) => void;
}

/**
 * Walks the model block by block with the hidden states of all calibration rows. Tunes every matrix
 * with the Hessian of its own input. Propagation `reference`: one walk with the base's activations
 * serves all plans; the base is read once, and each tier's riders follow it block by block.
 * `sequential`: one walk per plan, in which each block sees the stored weights of the blocks before
 * it. The bytes depend neither on the number of workers nor on timing. Throws BAD_CHECKPOINT for
 * weights or activations that are not finite.
 */
export function tuneSeries(request: TuneSeriesRequest): Promise<readonly TunedTier[]> {
  const { weights: kept, base } = request;
  return withReadAhead({ weights: kept, tensors: base.tensors }, (weights) =>
    tuneTiers(openSeries(request, weights)),
  );
}

/**
 * Tunes and records the parts that the logs do not leave to other runs, with the base's
 * activations. Nothing rides along, and no router is repaired: that needs the tier's own blocks.
 */
export function tuneParts(request: TuneSeriesRequest): Promise<void> {
  const { weights: kept, base, keepWeights = null, onBlock } = request;
  return withReadAhead({ weights: kept, tensors: base.tensors }, async (weights) => {
    const series = { ...openSeries(request, weights), routers: null };
    const { model, tiers } = series;
    const tuner = new TuningRider(await openWalk(series, tiers), false);
    await rideAll([{ model, riders: tuner.riders, keepWeights }], { onBlock });
    await tuner.finish();
    await onBlock?.(null);
  });
}

async function tuneTiers(series: Series): Promise<readonly TunedTier[]> {
  const { request, tiers, model, routers } = series;
  const { riders, propagation, keep, keepWeights = null, onBlock } = request;
  const behind = { onBlock };
  const repairs = tiers.map((tier) => repairOf(series, tier));
  const rides = tiers.map((tier, i) => rideOf(series, tier, repairs[i]!, riders.tiers[i]!));
  const tuned: TunedTier[] = [];
  if (propagation === "reference") {
    const walk = await openWalk(series, tiers);
    const tuner = new TuningRider(walk, false);
    const own = { model, riders: [...tuner.riders, ...riders.base], keepWeights };
    // A tied table is stored only when the head is tuned. Until then no tier can be run.
    const isTied = isTiedTable(model);
    await rideAll(isTied ? [own] : [own, ...rides], behind);
    await tuner.finish();
    await onBlock?.(null);
    if (isTied) await rideAll(rides, behind);
    tuned.push(...closeWalk(walk));
  } else {
    for (const tier of tiers) {
      const walk = await openWalk(series, [tier]);
      const tuner = new TuningRider(walk, request.repair.includes("residual"));
      await rideAll([{ model, riders: tuner.riders }], behind);
      await tuner.finish();
      await onBlock?.(null);
      tuned.push(...closeWalk(walk));
    }
    // A sequential walk does not see the base's activations.
    const recorder = routers === null ? [] : [routers.rider(series.kept, keep)];
    const own = { model, riders: [...recorder, ...riders.base], keepWeights };
    await rideAll([own, ...rides], behind);
  }
  return tuned.map(({ tuning, ...rest }, i) => {
    const records = repairs[i]?.records ?? null;
    const repair = records === null ? tuning.repair : { ...tuning.repair, routers: records };
    return { ...rest, tuning: { ...tuning, repair } };
  });
}

function openSeries(request: TuneSeriesRequest, weights: WeightSource): Series {
  const { base, plans, kernel, settings, report, sinks, logs } = request;
  const { architecture, config, storage } = base;
  const tools = openTools({ kernel, settings, storage });
  const gateRows = rowsOfRepair(request, tools);
  const repaired = gateRows > 0;
  // Gates that are repaired are written beside the walk, and not counted.
  const counted = base.tensors.filter(({ role }) => !repaired || role.kind !== "router");
  const total = plans.length * sum(counted, bytesOf);
  let done = 0;
  const progress = (bytes: number) => {
    done += bytes;
    report.tick(done, total, "bytes");
  };
  const kept = request.weights;
  return {
    ...{ request, tools, progress, kept, repaired },
    model: { architecture, config, ops: tools.ops, weights },
    tiers: plans.map((plan, i) => ({ plan, sink: sinks[i]!, log: logs?.[i] ?? noLog })),
    routers: repaired
      ? new BaseRouters(tools.ops, request.calibration, plans.length, gateRows)
      : null,
  };
}

/**
 * The base's weights for a walk. Tensors that are not tuned are checked to be finite when they are
 * read; tuning counts the values of the others, the matrices in blocks.
 */
export function weightsToTune(base: Base, kernel: Kernel): KeptWeights {
  const finite = finiteWeights(base, kernel);
  const unchecked = baseWeights(base, kernel);
  const weights: WeightSource = {
    unquantized: finite.unquantized,
    matrix: (layer, ...which) => (layer === null ? finite : unchecked).matrix(layer, ...which),
  };
  return keepWeights({ ...base, weights });
}

/** How many rows router gates are fitted on; 0: they stay as they are. */
function rowsOfRepair(
  { repair, base, calibration, report }: TuneSeriesRequest,
  { settings }: TuningTools,
): number {
  const router = base.tensors.find(({ role }) => role.kind === "router");
  if (!repair.includes("router") || router === undefined) return 0;
  const columns = router.shape.at(-1)!;
  const rows = gateRowsOf(settings, calibration, columns);
  if (rows === 0) {
    const least = settings.gateTokens * columns;
    report.info(`router gates stay as they are: a fit needs ${least} tokens, it would have fewer`);
  }
  return rows;
}

/** The repair of a tier's routers; null if there is nothing to repair. */
function repairOf({ request, model, routers, tools }: Series, tier: TierTarget) {
  if (routers === null) return null;
  const { base, keep } = request;
  return new RouterRepair({ base: model, tensors: base.tensors, tier, routers, tools, keep });
}

/** The riders on a tier as stored. */
function rideOf(
  { request, model, tools }: Series,
  tier: TierTarget,
  repair: RouterRepair | null,
  others: readonly Rider[],
): Ride {
  const stored = weightsOfTier(request.base.tensors, tier, tools);
  if (repair === null) return { model: { ...model, weights: stored }, riders: others };
  return { model: { ...model, weights: repair.weights(stored) }, riders: [repair, ...others] };
}

/** Opens the walk that tunes and writes some tiers, except for gates that are to be repaired. */
async function openWalk(series: Series, tiers: readonly TierTarget[]): Promise<TuneWalk> {
  const { request, model, tools, routers, progress, kept } = series;
  const { base, calibration, propagation, repair } = request;
  const sequential = propagation === "sequential";
  const directions = repair.includes("rounding")
    ? await RouterDirections.open(tools.kernel, base.tensors, kept)
    : null;
  await writeUnquantized(series, tiers);
  return {
    ...{ base, model, kept, calibration, tools, sequential, directions, progress },
    ledger: new TuningLedger(base),
    writer: new TierWriter(tiers),
    routers: sequential ? null : routers,
    keep: request.keep,
    lookup: isTiedTable(model) ? await tableGram(tools, base.tensors, kept) : null,
  };
}

/** The results of a walk's tiers. */
function closeWalk({ ledger, directions, writer }: TuneWalk): readonly TunedTier[] {
  ledger.routerAware = directions?.modules ?? null;
  return writer.tiers.map(({ plan }) => ledger.close(plan));
}

/** Writes the unquantized tensors. Gates that are to be repaired are written by the repair. */
async function writeUnquantized(
  { request, repaired, progress }: Series,
  tiers: readonly TierTarget[],
): Promise<void> {
  const { base } = request;
  const writer = new TierWriter(tiers);
  const tensors = base.tensors.filter(
    (tensor) => !writer.isQuantized(tensor) && !(repaired && tensor.role.kind === "router"),
  );
  await quantizeSeries({
    ...request,
    tensors,
    read: baseRows(base.checkpoint, request.kernel),
    storage: base.storage,
    plans: tiers.map(({ plan }) => plan),
    sinks: tiers.map(({ sink }) => sink),
    report: silentReport,
  });
  progress(tiers.length * sum(tensors, bytesOf));
}
