import type { ModelFacts } from "../base/model-facts.ts";
import type { Evaluation } from "../evaluation/evaluation-types.ts";
import type { Floors, TierPlan } from "../plan/plan-types.ts";
import type {
  CalibrationRecord,
  Method,
  Propagation,
  Repair,
  TuningRecord,
} from "../quantize/tuning-record.ts";
import type { SensitivityRecord } from "./sensitivity-record.ts";

export { receiptPath } from "../hub/hub-types.ts";
export type {
  CalibrationRecord,
  Evaluation,
  Method,
  ModelFacts,
  Propagation,
  SensitivityRecord,
  TuningRecord,
};

/** What the base's own card says and ours inherits. Absent keys stay absent. */
export interface Inherited {
  readonly license?: string;
  readonly licenseName?: string;
  readonly licenseLink?: string;
  readonly language?: readonly string[];
  readonly pipelineTag?: string;
  readonly tags?: readonly string[];
}

/** One row of the performance matrix: a TierPlan without its module list. */
export type SeriesRow = Omit<TierPlan, "modules">;

/** Measured while quantizing, over all quantized tensors of the tier, from the bytes as stored. */
export interface WeightError {
  /** Sum (w - ŵ)² / sum w². */
  readonly relative: number;
}

/**
 * Everything a tier repo claims, as a value. The card is a function of it and of nothing else. It holds no time, host or
 * path: the same inputs give the same bytes.
 */
export interface Receipt {
  readonly format: 1;
  readonly engine: {
    readonly name: "oqe-publisher";
    readonly version: string;
    readonly kernelSha256: string;
  };
  readonly base: {
    /** `org/name` on the Hub; null when the base was a folder. */
    readonly id: string | null;
    readonly name: string;
    readonly revision: string;
    readonly inherited: Inherited;
  };
  readonly model: ModelFacts;
  readonly options: {
    readonly method: Method;
    readonly rounding: "stored" | "mlx";
    /** null: nothing was tuned. */
    readonly propagation: Propagation | null;
    /** null likewise; empty: nothing was to be mended. */
    readonly repair: readonly Repair[] | null;
    readonly policy: string;
    /** Least widths by role that were asked for; null where the plan was made by rules. */
    readonly floors: Floors | null;
    /** Weights of domains in the prices, where not 1; null likewise. */
    readonly domainWeights: Readonly<Record<string, number>> | null;
    /** `org/name@commit` of the quantized repository that was measured in the base's place; null for the base itself, or by rules. */
    readonly proxy: string | null;
    /** SHA-256 of the measurement's file that was planned by; null where the run measured, or planned by rules. */
    readonly sensitivity: string | null;
    /** Dtype of scales, biases and unquantized tensors, as safetensors spells it. */
    readonly storage: "BF16" | "F16" | "F32";
  };
  /** The rows that it was tuned on; null where nothing was tuned. */
  readonly calibration: CalibrationRecord | null;
  /** Rows of other documents, which the proof is measured on; null where nothing was to be measured. */
  readonly evaluationRows: CalibrationRecord | null;
  /** `<namespace>/<Model>-<tier>` when published; `<Model>-<tier>` when only written to a folder. */
  readonly repository: string;
  /** Name of the repo without namespace: `<Model>-<tier>`. */
  readonly name: string;
  readonly plan: TierPlan;
  /** Tensors that are never quantized -> the reason. */
  readonly kept: Readonly<Record<string, string>>;
  /** Every tier of the series, in the order of the tier table, whichever of them a run makes. */
  readonly series: readonly SeriesRow[];
  /** What was measured of the base, and the plan was made from; null for a plan by fixed rules. */
  readonly sensitivity: SensitivityRecord | null;
  readonly weightError: WeightError;
  /** What tuning did; null where nothing was tuned. */
  readonly tuning: TuningRecord | null;
  /** What was measured of the finished bytes; null where nothing was. */
  readonly evaluation: Evaluation | null;
  /** What was measured of the other tiers of the same run. */
  readonly otherTiers: readonly TierFigures[];
  /** Changes of config.json against the base, one sentence each, e.g. the dt floor of nemotron_h. */
  readonly configNotes: readonly string[];
  /** What did not go as meant while this tier was made, one sentence each. */
  readonly warnings: readonly string[];
  /** Every file of the repo by path, but the receipt and what is made from it: README.md and the pictures. */
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
}

/** What a proof says of another tier of the same run, for the matrix and the picture of the series. */
export interface TierFigures
  extends Pick<
    Evaluation,
    | "meanKl"
    | "meanKlError"
    | "sameTop"
    | "perplexityRatio"
    | "perplexityRatioError"
    | "routerAgreement"
  > {
  readonly tier: string;
  /** Plain rounding at the same plan. */
  readonly rounded: Pick<Evaluation, "meanKl" | "meanKlError"> | null;
}
