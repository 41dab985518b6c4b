import type { Base } from "../base/base.ts";
import type { CalibrationIds } from "../calibration/calibration-ids.ts";
import type { Report } from "../ground/report.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import type { Rounding } from "../kernel/width.ts";
import type { TierSink } from "../mlx/tier-sink.ts";
import type { KeptWeights } from "../models/kept-weights.ts";
import type { KeepBytes } from "../models/reread-weights.ts";
import type { KeepStates, Rider } from "../models/rider.ts";
import type { Model } from "../models/run.ts";
import type { TierPlan } from "../plan/plan-types.ts";
import type { BaseRouters } from "./base-routers.ts";
import type { Gram } from "./hessian.ts";
import type { PartLog } from "./part-record.ts";
import type { RouterDirections } from "./router-directions.ts";
import type { TierWriter } from "./tier-writer.ts";
import type { TuningLedger } from "./tuning-ledger.ts";
import type { Propagation, Repair } from "./tuning-record.ts";
import type { TuningSettings } from "./tuning-settings.ts";
import type { TuningTools } from "./tuning-tools.ts";

export interface TuneSeriesRequest {
  readonly base: Base;
  readonly plans: readonly TierPlan[];
  /** One sink per plan, in the same order. */
  readonly sinks: readonly TierSink[];
  /** The finished parts of each plan's tier. Default: all parts are made, and none is recorded. */
  readonly logs?: readonly PartLog[];
  /** Called when all riders of a walk have passed a block, and after the head (null). */
  readonly onBlock?: ((layer: number | null) => Promise<void>) | undefined;
  readonly calibration: CalibrationIds;
  readonly propagation: Propagation;
  readonly repair: readonly Repair[];
  readonly settings: TuningSettings;
  /** For the rounding walk, which writes the unquantized tensors. It has nothing to round. */
  readonly rounding: Rounding;
  readonly kernel: Kernel;
  readonly report: Report;
  /** weightsToTune(base). Readers of the base after the walk find its head in memory. */
  readonly weights: KeptWeights;
  readonly riders: SeriesRiders;
  readonly keep?: KeepStates | undefined;
  /** If given, riders on the base go through experts one after the other (passAll). */
  readonly keepWeights?: KeepBytes | null | undefined;
}

/** Riders of another purpose that a walk takes along. */
export interface SeriesRiders {
  /** On the base's weights. */
  readonly base: readonly Rider[];
  /** On the weights of each tier as stored, in the order of the plans. */
  readonly tiers: readonly (readonly Rider[])[];
}

/** Values that the steps of one tuning walk share. */
export interface TuneWalk {
  readonly base: Base;
  /**
   * The base as a model. Tensors that are not tuned are checked to be finite when they are read;
   * tuning counts the values of the others.
   */
  readonly model: Model;
  /** Its weights, of which some are in memory. */
  readonly kept: KeptWeights;
  readonly calibration: CalibrationIds;
  readonly tools: TuningTools;
  /** Writes to the tiers of this walk. */
  readonly writer: TierWriter;
  /** Whether later blocks see the stored weights of earlier ones. The walk then has one tier. */
  readonly sequential: boolean;
  readonly ledger: TuningLedger;
  /** Null unless rounding should spare the routers. */
  readonly directions: RouterDirections | null;
  /** Records the base's routers in this walk; null: nothing is recorded. */
  readonly routers: BaseRouters | null;
  /** Called with the base bytes that were tuned, times the tiers of this walk. */
  readonly progress: (bytes: number) => void;
  readonly keep: KeepStates | undefined;
  /** How a table that is also the head is looked up (tableGram). Null for two tables. */
  readonly lookup: Gram | null;
}
