import { baseRows } from "../base/base-rows.ts";
import { finiteWeights } from "../base/base-weights.ts";
import { silentReport } from "../ground/report.ts";
import { bytesPerElement } from "../kernel/dtype.ts";
import type { Matrix } from "../kernel/matrix.ts";
import { elements } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { Model } from "../models/run.ts";
import { BaseRouters } from "./base-routers.ts";
import { tuneBlock } from "./block-tuner.ts";
import { embedTokens, tuneFirst, tuneLast } from "./outer-tuner.ts";
import { ResidualRepair } from "./residual-repair.ts";
import { quantizeSeries } from "./round-series.ts";
import { RouterAim } from "./router-aim.ts";
import { repairRouters } from "./router-repair.ts";
import { type TierTarget, TierWriter } from "./tier-writer.ts";
import type { TuneSeriesRequest, TuneWalk } from "./tune-types.ts";
import type { TunedTier } from "./tuned-tier.ts";
import { TuningLedger } from "./tuning-ledger.ts";
import { openTools, type TuningTools } from "./tuning-tools.ts";

/** Values that all walks of a series share. */
interface Series {
  readonly request: TuneSeriesRequest;
  readonly tools: TuningTools;
  readonly model: Model;
  readonly tiers: readonly TierTarget[];
  /** Null if no routers are to be repaired. */
  readonly routers: BaseRouters | null;
  readonly progress: (bytes: number) => void;
}

/**
 * Walks the model block by block with the hidden states of all calibration rows. Tunes every matrix
 * with the Hessian of its own input. Propagation `reference`: one walk with the base's activations
 * serves all plans. `sequential`: one walk per plan, in which each block sees the stored weights of
 * the blocks before it. The bytes depend neither on the number of workers nor on timing. Throws
 * BAD_CHECKPOINT for weights or activations that are not finite.
 */
export async function tuneSeries(request: TuneSeriesRequest): Promise<readonly TunedTier[]> {
  const series = openSeries(request);
  const isSequential = request.propagation === "sequential";
  const walks = isSequential ? series.tiers.map((tier) => [tier]) : [series.tiers];
  const tuned: TunedTier[] = [];
  for (const tiers of walks) {
    const ledger = await walk(series, tiers);
    tuned.push(...tiers.map(({ plan }) => ledger.close(plan)));
  }
  const { routers } = series;
  if (routers === null) return tuned;
  // A sequential walk does not see the base's activations.
  if (isSequential) await routers.run(series.model, request.calibration);
  return repairTiers(series, routers, tuned);
}

function openSeries(request: TuneSeriesRequest): Series {
  const { base, plans, kernel, settings, report, sinks } = request;
  const { architecture, config, storage } = base;
  const tools = openTools({ kernel, settings, storage });
  const total = plans.length * sum(base.tensors, bytesOf);
  let done = 0;
  const progress = (bytes: number) => {
    done += bytes;
    report.tick(done, total, "bytes");
  };
  return {
    ...{ request, tools, progress },
    model: { architecture, config, ops: tools.ops, weights: finiteWeights(base, kernel) },
    tiers: plans.map((plan, i) => ({ plan, sink: sinks[i]! })),
    routers: hasRoutersToRepair(request) ? new BaseRouters(tools.ops) : null,
  };
}

function hasRoutersToRepair({ repair, base }: TuneSeriesRequest): boolean {
  return repair.includes("router") && base.tensors.some(({ role }) => role.kind === "router");
}

/** Repairs the routers of finished tiers. `tuned`: the tiers in the order of the series. */
async function repairTiers(
  { request, model, tools, tiers }: Series,
  routers: BaseRouters,
  tuned: readonly TunedTier[],
): Promise<readonly TunedTier[]> {
  const { base, calibration: rows, report } = request;
  const repaired: TunedTier[] = [];
  for (const [i, { tuning, ...rest }] of tuned.entries()) {
    const tier = tiers[i]!;
    report.info(`${tier.plan.tier}: fitting its routers to the base's`);
    const { tensors } = base;
    const records = await repairRouters({ base: model, tensors, tier, rows, routers, tools });
    repaired.push({
      ...rest,
      tuning: { ...tuning, repair: { ...tuning.repair, routers: records } },
    });
  }
  return repaired;
}

/** Tunes and writes some tiers, except for gates that are to be repaired. */
async function walk(series: Series, tiers: readonly TierTarget[]): Promise<TuningLedger> {
  const { request, model, tools, routers, progress } = series;
  const { base, calibration, propagation, repair } = request;
  const sequential = propagation === "sequential";
  const ledger = new TuningLedger(base);
  const aim = repair.includes("rounding")
    ? await RouterAim.open(tools.kernel, base.tensors, model.weights)
    : null;
  await writeUnquantized(series, tiers);
  const shared: TuneWalk = {
    ...{ base, model, calibration, tools, sequential, ledger, aim, progress },
    writer: new TierWriter(tiers),
    routers: sequential ? null : routers,
  };
  const x = await tuneBlocks(shared, sequential && repair.includes("residual"));
  await tuneLast(shared, x);
  ledger.aimed = aim?.modules.size ?? null;
  return ledger;
}

/** Writes the unquantized tensors. Gates that are to be repaired are written by the repair. */
async function writeUnquantized(
  { request, routers, progress }: Series,
  tiers: readonly TierTarget[],
): Promise<void> {
  const { base } = request;
  const writer = new TierWriter(tiers);
  const tensors = base.tensors.filter(
    (tensor) => !writer.isQuantized(tensor) && !(routers !== null && tensor.role.kind === "router"),
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

/** Tunes the embeddings and all blocks. Returns the hidden states after the last block. */
async function tuneBlocks(walk: TuneWalk, repairsResidual: boolean): Promise<Matrix> {
  const { base, model, calibration, ledger, writer } = walk;
  const { length } = calibration;
  let x = await embedTokens(walk, await tuneFirst(walk));
  let own = repairsResidual ? await embedTokens(walk, null) : null;
  let moved = 0;
  for (const [layer, kind] of base.architecture.layers(base.config).entries()) {
    const quantized = base.tensors.filter(
      (tensor) => tensor.layer === layer && writer.isQuantized(tensor),
    );
    let residual: ResidualRepair | null = null;
    if (own !== null) {
      residual = new ResidualRepair({ base: model, layer, kind, length, tensors: quantized });
      own = await residual.run(own);
    }
    x = await tuneBlock(walk, { layer, kind, quantized, residual }, x);
    moved += residual?.moved ?? 0;
  }
  ledger.moved = repairsResidual ? moved : null;
  return x;
}

function bytesOf(tensor: PlannedTensor): number {
  return elements(tensor.shape) * bytesPerElement[tensor.dtype]!;
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
