import type { Rows } from "../calibration/rows.ts";
import type { Report } from "../ground/report.ts";
import type { FloatDtype } from "../kernel/dtype.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { Model } from "../models/run.ts";
import type { Sensitivity } from "../plan/sensitivity-types.ts";
import type { TuningSettings } from "../quantize/tuning-settings.ts";
import type { ProbeSize } from "./probe-rows.ts";
import type { WalkLog } from "./saved-walk.ts";

/** The model that is measured: the base, or a quantized repository of it. */
export interface MeasuredModel extends Omit<Model, "ops"> {
  readonly tensors: readonly PlannedTensor[];
  /** Dtype of scales and biases. */
  readonly storage: FloatDtype;
  /** Module -> bits that it is already quantized at. Empty for a base. */
  readonly ownBits: ReadonlyMap<string, number>;
}

export interface MeasureRequest {
  readonly model: MeasuredModel;
  /** Calibration rows: those for the probes and those for the Hessians. */
  readonly rows: Rows;
  /** How many of them the probes run on, and how much of each. */
  readonly probeSize: ProbeSize;
  /** Domain -> weight in the costs. Default 1. */
  readonly domainWeights: Readonly<Record<string, number>>;
  /** Origin of the sensitivity, for its file. */
  readonly identity: Pick<Sensitivity, "engine" | "base" | "proxy">;
  readonly kernel: Kernel;
  readonly report: Report;
  readonly settings?: TuningSettings;
  /** Default: the walk starts at the first block, and is not saved. */
  readonly log?: WalkLog;
}
