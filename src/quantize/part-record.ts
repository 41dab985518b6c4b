import * as v from "valibot";
import { count, entries, finite, line, list, object } from "../ground/schema.ts";
import { routerRecord } from "./tuning-record.ts";

/** As TunedSums (tuned-sums.ts). */
const sums = object({
  loss: finite,
  roundedLoss: finite,
  roundedRows: count,
  rows: count,
  squaredError: finite,
  weightEnergy: finite,
  nonFinite: count,
});

const matrixRecord = object({
  /** MLX module path. */
  module: line,
  /** Number in a stack of experts; 0 for a tensor that is not a stack. */
  expert: count,
  sums,
  /** The fallback that was used, as a phrase; null: none. */
  fallback: v.nullable(line),
});
export type MatrixRecord = v.InferOutput<typeof matrixRecord>;

/** What tuning found in a part of a tier: all that the tier's tuning record takes from it. */
const partResults = {
  matrices: list(matrixRecord),
  /** Calibration tokens of each routed expert of the block. */
  tokens: list(count),
  /** Input -> its rows that were not finite. */
  dropped: entries(line, count),
  /** Modules whose errors were reduced in the directions that later routers read. */
  routerAware: list(line),
  /** Matrices that were tuned towards another target. */
  moved: count,
  /** The block's router, if it was repaired in this part. */
  router: v.nullable(routerRecord),
};

/** A finished part of a tier: its tensors are written, and nothing changes them any more. */
export const partRecordSchema = object({
  /** `embeddings`, `block 7`, `router 7` or `head`. */
  name: line,
  /** Names of the stored tensors. */
  tensors: list(line),
  ...partResults,
});
export type PartRecord = v.InferOutput<typeof partRecordSchema>;

/** The results of a part without any. */
export const noResults: Omit<PartRecord, "name" | "tensors"> = {
  matrices: [],
  tokens: [],
  dropped: {},
  routerAware: [],
  moved: 0,
  router: null,
};

/** Remembers the finished parts of one tier, beyond the end of the process. */
export interface PartLog {
  /** A part that an earlier run finished. The sink has its tensors. null: it is to be made. */
  recall(name: string): PartRecord | null;
  /** Adds a part that was finished now. */
  record(part: PartRecord): void;
  /** Whether another run makes the part. It is then neither made nor recorded. Default: none. */
  readonly isLeft?: (name: string) => boolean;
  /** Whether another run made a part while this one was at work. Default: none. */
  readonly isTakenOver?: (name: string) => boolean;
}

/** Remembers nothing: all parts are to be made. */
export const noLog: PartLog = { recall: () => null, record: () => {} };
