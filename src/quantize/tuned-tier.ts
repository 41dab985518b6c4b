import type { TuningRecord } from "./tuning-record.ts";

/** The result of tuning one tier. */
export interface TunedTier {
  /** Σ (w - ŵ)² / Σ w² over the quantized tensors. */
  readonly relativeError: number;
  readonly tuning: TuningRecord;
  readonly warnings: readonly string[];
}
