import type { Rows } from "../calibration/rows.ts";
import type { Report } from "../ground/report.ts";
import type { FloatDtype } from "../kernel/dtype.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { Model } from "../models/run.ts";
import type { Sensitivity } from "../plan/sensitivity-types.ts";
import type { TuningSettings } from "../quantize/tuning-settings.ts";

/** What is measured: the base, or a quantized repository of it in its place. */
export interface MeasuredModel extends Omit<Model, "ops"> {
  readonly tensors: readonly PlannedTensor[];
  /** Dtype of scales and biases. */
  readonly storage: FloatDtype;
  /** Module -> bits that it is quantized at already; empty for a base. */
  readonly ownBits: ReadonlyMap<string, number>;
}

export interface MeasureRequest {
  readonly model: MeasuredModel;
  /** Calibration rows; Hessians see them all. */
  readonly rows: Rows;
  /** How many of them, evenly over the domains, the probes are run on. */
  readonly probeSamples: number;
  /** Domain -> weight in the prices; 1 where absent. */
  readonly domainWeights: Readonly<Record<string, number>>;
  /** What the measurement says of itself. */
  readonly identity: Pick<Sensitivity, "engine" | "base" | "proxy">;
  readonly kernel: Kernel;
  readonly report: Report;
  readonly settings?: TuningSettings;
}
