import * as v from "valibot";
import { type ModelFacts, modelFactsSchema } from "../base/model-facts.ts";
import {
  type CalibrationRecord,
  calibrationRecordSchema,
  domainName,
} from "../calibration/calibration-record.ts";
import { type Evaluation, evaluationSchema } from "../evaluation/evaluation-types.ts";
import {
  amount,
  count,
  entries,
  finite,
  flag,
  line,
  list,
  matching,
  object,
  oneOf,
  pathInside,
  sha256,
  share,
  version,
} from "../ground/schema.ts";
import { isRepositoryId } from "../hub/names.ts";
import { carriedParts } from "../models/carried.ts";
import { floorsSchema, tierPlanSchema, tierSummary } from "../plan/plan-types.ts";
import {
  type Method,
  methods,
  type Propagation,
  propagations,
  repairs,
  type TuningRecord,
  tuningRecordSchema,
} from "../quantize/tuning-record.ts";
import {
  proxyName,
  type SensitivityRecord,
  sensitivityRecordSchema,
} from "./sensitivity-record.ts";

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

const hubId = v.pipe(line, v.check(isRepositoryId, "namespace/name"));
/** One segment of a path on any system, and not hidden: it becomes a folder. */
const folderName = matching(/^[^./\\:][^/\\:]{0,200}$/, "a repository's name");

/** Whether a tier that is only written to a folder can have this name. */
export function isFolderName(name: string): boolean {
  return v.is(folderName, name);
}

/** Fields that our card inherits from the base's card. Absent keys stay absent. */
const inherited = object({
  license: v.exactOptional(line),
  licenseName: v.exactOptional(line),
  licenseLink: v.exactOptional(line),
  language: v.exactOptional(list(line)),
  pipelineTag: v.exactOptional(line),
  tags: v.exactOptional(list(line)),
});
export type Inherited = v.InferOutput<typeof inherited>;

/** One row of the performance matrix. */
const seriesRow = object(tierSummary);
export type SeriesRow = v.InferOutput<typeof seriesRow>;

/**
 * Evaluation of another tier of the same run, for the performance matrix and the picture of the
 * series.
 */
const tierFigures = object({
  tier: line,
  meanKl: amount,
  meanKlError: v.nullable(amount),
  sameTop: share,
  perplexityRatio: amount,
  perplexityRatioError: v.nullable(amount),
  routerAgreement: v.nullable(share),
  /** Plain rounding at the same plan. */
  rounded: v.nullable(object({ meanKl: amount, meanKlError: v.nullable(amount) })),
  /** Whether it failed a gate, so that it was not published. */
  heldBack: v.optional(flag, false),
});
export type TierFigures = v.InferOutput<typeof tierFigures>;

/** What people who run the model need to know, from the base's files. */
const usage = object({
  /** Sampling in generation_config.json, such as `temperature`; empty: it has none. */
  sampling: entries(matching(/^[a-z_]{1,32}$/, "a key of generation_config.json"), finite),
  /**
   * The chat template on one user turn `{prompt}`, line by line. null: the base has no template, or
   * one that cannot be shown.
   */
  prompt: v.nullable(list(v.string())),
});
export type Usage = v.InferOutput<typeof usage>;

const options = object({
  method: oneOf(methods),
  /** null: nothing was tuned. */
  propagation: v.nullable(oneOf(propagations)),
  /** null: nothing was tuned. Empty: no repair was asked for. */
  repair: v.nullable(list(oneOf(repairs))),
  rounding: oneOf(["stored", "mlx"]),
  policy: matching(/^[\w.-]{1,64}$/, "a policy's name"),
  /** Minimum widths by role, as set by the input; null for a plan by fixed rules. */
  floors: v.nullable(floorsSchema),
  /** Weights of domains in the sensitivity, where not 1; null for a plan by fixed rules. */
  domainWeights: v.nullable(entries(domainName, amount)),
  /**
   * `org/name@commit` of the quantized repository that was measured in place of the base; null for
   * the base itself, and for a plan by fixed rules.
   */
  proxy: v.nullable(proxyName),
  /**
   * SHA-256 of the sensitivity file that was passed in; null where the run measured, and for a plan
   * by fixed rules.
   */
  sensitivity: v.nullable(sha256),
  /** Dtype of scales, biases and unquantized tensors, as safetensors spells it. */
  storage: oneOf(["BF16", "F16", "F32"]),
  /** Parts that the tier holds beside the language model. Absent: the base has none. */
  carry: v.exactOptional(list(oneOf(carriedParts))),
  /** Parts of the base that the tier lacks. Absent: none. */
  leftOut: v.exactOptional(list(oneOf(carriedParts))),
  /** The one loader of the tier. Absent: mlx-lm loads it, and mlx-vlm if it has the type. */
  loader: v.exactOptional(oneOf(["mlx-vlm"])),
});

/**
 * Everything a tier repo claims, as a value. The card is a function of it and of nothing else. It
 * holds no time, host or path: the same inputs give the same bytes. `receipt-file.ts` adds the
 * checks across fields.
 */
export const receiptSchema = object({
  format: oneOf([1]),
  /** `recipe` says which bytes come out (ground/engine.ts); 0: written before there was one. */
  engine: object({
    ...{ name: oneOf(["oqe-publisher"]), version, recipe: v.optional(count, 0) },
    kernelSha256: sha256,
    /** `owner/name` on GitHub that the Action was run from, or npm installed; null: unknown. */
    repository: v.optional(v.nullable(hubId), null),
    /** Commit, tag or branch that it was there; absent: unknown. */
    ref: v.exactOptional(matching(/^\w[\w./-]{0,99}$/, "a commit, tag or branch")),
  }),
  base: object({
    /** `org/name` on the Hub; null when the base was a folder. */
    id: v.nullable(hubId),
    name: line,
    revision: line,
    inherited,
  }),
  model: modelFactsSchema,
  /** null: the receipt is of an earlier version. */
  usage: v.optional(v.nullable(usage), null),
  options,
  /** The rows that the tier was tuned on; null where nothing was tuned. */
  calibration: v.nullable(calibrationRecordSchema),
  /** Rows of other documents, for the evaluation; null where no evaluation was asked for. */
  evaluationRows: v.nullable(calibrationRecordSchema),
  /** Chunks of WikiText-2, evaluated beside them; absent where its text was not given. */
  wikitextRows: v.exactOptional(calibrationRecordSchema),
  /**
   * `<namespace>/<Model>-<tier>` when published; `<Model>-<tier>` when only written to a folder.
   */
  repository: v.pipe(
    line,
    v.check(
      (id) => isRepositoryId(id) || isFolderName(id),
      "namespace/name, or a repository's name",
    ),
  ),
  /** Name of the repo without namespace: `<Model>-<tier>`. */
  name: folderName,
  plan: tierPlanSchema,
  /** Tensors that are never quantized -> the reason. */
  unquantized: entries(line, line),
  /**
   * Every tier of the series, in the order of the tier table, also tiers that the run does not
   * make.
   */
  series: list(seriesRow),
  /** The measured sensitivity that the plan was made from; null for a plan by fixed rules. */
  sensitivity: v.nullable(sensitivityRecordSchema),
  /**
   * Relative: Σ (w - ŵ)² / Σ w² over all quantized tensors of the tier, from the bytes as stored.
   */
  weightError: object({ relative: amount }),
  /** Results of tuning; null if nothing was tuned. */
  tuning: v.nullable(tuningRecordSchema),
  /** Measured from the finished bytes; null where no evaluation was asked for. */
  evaluation: v.nullable(evaluationSchema),
  /** Evaluation of the other tiers of the same run. */
  otherTiers: list(tierFigures),
  /**
   * Changes of config.json against the base, one sentence each, e.g. the dt floor of nemotron_h.
   */
  configNotes: list(line),
  /**
   * The base's shards that the run read whole: their hashes are those of the base's commit. So is
   * every byte of its other files that was used. null: the base was a folder, or the engine did not
   * check yet.
   */
  verifiedBase: v.optional(v.nullable(object({ shards: count, bytes: count })), null),
  /** Warnings from making this tier, one sentence each. */
  warnings: list(line),
  /**
   * Every file of the repository by path, except the receipt and the files made from it (README.md
   * and the pictures).
   */
  files: entries(pathInside, object({ bytes: count, sha256 })),
});
export type Receipt = v.InferOutput<typeof receiptSchema>;
