import * as v from "valibot";
import {
  agree,
  amount,
  count,
  entries,
  line,
  matching,
  object,
  oneOf,
  share,
} from "../ground/schema.ts";
import { bitWidths, groupSizes, mxfp4Width } from "../kernel/width.ts";
import { carriedParts } from "../models/carried.ts";

/** The predicted KL(base ‖ tier) of a plan, in nats per position. */
export const predictedLoss = object({
  /** With forced routes: the tier uses the experts that the base chose. */
  forcedKl: amount,
  kl: amount,
});
export type PredictedLoss = v.InferOutput<typeof predictedLoss>;

/** A part of the model, or `first-mamba` (all of the first Mamba block). */
const floorName = matching(/^[a-z-]{1,32}$/, "a role's name");

/** Floor -> least bits. */
export const floorsSchema = entries(floorName, oneOf(bitWidths));
export type Floors = v.InferOutput<typeof floorsSchema>;

/** A tier's plan without the widths of its modules: one row of the performance matrix. */
export const tierSummary = {
  tier: matching(/^[A-Za-z0-9.]{1,16}$/, "a tier's name"),
  /**
   * The tier's target, in bits per weight of the quantizable tensors, scales and biases included.
   */
  targetBpw: amount,
  /**
   * The most that the plan may take, in the same bits per weight. null: the tier is uniform, or the
   * receipt is of an earlier version.
   */
  budgetBpw: v.optional(v.nullable(amount), null),
  /**
   * By the plan's definition: 8 × bytes / parameters over the quantizable tensors only
   * (docs/tiers.md).
   */
  bpw: amount,
  /** 8 × payload bytes / parameters over all tensors of the language model. */
  fileBpw: amount,
  /** Payload of the safetensors files (tensor data, no headers), carried parts included. */
  bytes: count,
  /** Part that is carried unquantized -> bytes of its tensors. Absent: there is none. */
  carried: v.exactOptional(entries(oneOf(carriedParts), count)),
  /** Modules above the tier's base width. */
  boosts: count,
  /** Other modules by width, as `8bitX48, 6bitX70, mxfp4X72`. */
  plan: line,
  /** null for a plan by fixed rules. */
  predicted: v.nullable(predictedLoss),
  /** The floors that apply to modules of this model; null for a plan by fixed rules. */
  floors: v.nullable(floorsSchema),
  /**
   * Floor -> share of the predicted KL that it costs. A plan of the same budget without this floor
   * is predicted to lose less by this share. null for a plan by fixed rules.
   */
  floorCosts: v.nullable(entries(floorName, share)),
};

/** `mode` mxfp4: the codes are the base's own. */
const widthSchema = v.pipe(
  object({
    bits: oneOf(bitWidths),
    groupSize: oneOf(groupSizes),
    mode: v.exactOptional(oneOf([mxfp4Width.mode])),
  }),
  agree(function* ({ bits, groupSize, mode }) {
    if (mode === undefined) return;
    if (bits !== mxfp4Width.bits) yield { at: ["bits"], expected: "4, for the mode is mxfp4" };
    if (groupSize !== mxfp4Width.groupSize)
      yield { at: ["groupSize"], expected: "32, for the mode is mxfp4" };
  }),
);

/**
 * A tier's plan: the width of every quantized module. Plain JSON: the same value goes to `plan
 * --json`, receipt and card.
 */
export const tierPlanSchema = object({
  ...tierSummary,
  /** MLX module path -> width. */
  modules: entries(line, widthSchema),
});
export type TierPlan = v.InferOutput<typeof tierPlanSchema>;

/** The output of `oqe plan --json`. */
export interface SeriesPlan {
  readonly model: string;
  readonly revision: string;
  readonly policy: string;
  readonly tiers: readonly TierPlan[];
  /** Tensors that no tier quantizes, with the reason. */
  readonly unquantized: Readonly<Record<string, string>>;
}
