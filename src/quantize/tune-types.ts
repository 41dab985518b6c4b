import type { Base } from "../base/base.ts";
import type { ReadRows } from "../base/base-rows.ts";
import type { CalibrationIds } from "../calibration/calibration-ids.ts";
import type { Report } from "../ground/report.ts";
import type { FloatDtype } from "../kernel/dtype.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import type { Leases } from "../kernel/lease.ts";
import type { Rounding } from "../kernel/width.ts";
import type { TierSink } from "../mlx/tier-sink.ts";
import type { Ops } from "../models/ops.ts";
import type { TierPlan } from "../plan/plan-types.ts";
import type { RouterAim } from "./router-aim.ts";
import type { BaseRouters } from "./router-repair.ts";
import type { TuningLedger } from "./tuning-ledger.ts";
import type { Propagation, Repair } from "./tuning-record.ts";
import type { TuningSettings } from "./tuning-settings.ts";

export interface TuneSeriesRequest {
  readonly base: Base;
  readonly plans: readonly TierPlan[];
  /** One sink per plan, in the same order. */
  readonly sinks: readonly TierSink[];
  readonly calibration: CalibrationIds;
  readonly propagation: Propagation;
  readonly repair: readonly Repair[];
  readonly settings: TuningSettings;
  /** Experts that a measurement found critical to some domain, by layer. */
  readonly critical: CriticalExperts;
  /** What the kept tensors go through the rounding walk with; it has nothing to round there. */
  readonly rounding: Rounding;
  readonly kernel: Kernel;
  readonly report: Report;
}

/** As the blocks see it. */
export interface TuneRequest extends TuneSeriesRequest {
  readonly storage: FloatDtype;
  readonly read: ReadRows;
  /** Base bytes × plans that are done. */
  readonly progress: (bytes: number) => void;
}

/** Layer -> its experts that are critical to some domain. */
export type CriticalExperts = ReadonlyMap<number, ReadonlySet<number>>;

/** What a walk shares among its blocks. */
export interface TuneWalk {
  readonly request: TuneRequest;
  /** Indices of the plans that this walk makes. */
  readonly plans: readonly number[];
  /** Whether later blocks are to see what this walk's (only) plan makes of the earlier ones. */
  readonly sequential: boolean;
  readonly ops: Ops;
  readonly ledger: TuningLedger;
  /** Memory for Hessians, and for what is written: kept apart, being of other sizes. */
  readonly hessianBuffers: Leases;
  readonly resultBuffers: Leases;
  /** How matrices are tuned that later routers read. */
  readonly aim: RouterAim | null;
  /** Sees every router at work. */
  readonly routers: BaseRouters | null;
}
