import * as v from "valibot";
import { OqeError } from "../ground/errors.ts";
import {
  agree,
  amount,
  count,
  entries,
  flag,
  line,
  list,
  object,
  oneOf,
  share,
} from "../ground/schema.ts";
import { modulePath } from "../mlx/format.ts";
import type { Part, PlannedTensor, Role } from "../models/architecture.ts";

/**
 * How codes (the integers that replace the weights) are chosen: each is rounded independently, or
 * all are tuned on calibration rows (docs/tuning.md).
 */
export const methods = ["rounded", "tuned"] as const;
export type Method = (typeof methods)[number];

/**
 * Which activations a block is tuned on: those of the base, or those of the tier, whose earlier
 * blocks are quantized.
 */
export const propagations = ["reference", "sequential"] as const;
export type Propagation = (typeof propagations)[number];

/** Corrections for errors that build up from block to block (docs/tuning.md, Repair). */
export const repairs = ["residual", "router", "rounding"] as const;
export type Repair = (typeof repairs)[number];

/** Kinds of quantized matrices, in the order of the card. */
export const tensorKinds = [
  "embeddings",
  "head",
  "attention",
  "mamba",
  "gated DeltaNet",
  "mlp",
  "shared experts",
  "latent projections",
  "experts (up)",
  "experts (down)",
] as const;
export type TensorKind = (typeof tensorKinds)[number];

/** How many calibration tokens the router sent to each routed expert. */
const expertRecord = object({
  /** Experts of all layers together. */
  experts: count,
  /** Tokens of the expert with the fewest, and the median over experts. */
  min: count,
  median: v.pipe(
    amount,
    v.check((value) => Number.isSafeInteger(2 * value), "a whole number, or one and a half"),
  ),
  /** Experts without a single token. */
  unseen: count,
  /** Tokens of every expert by layer, layers ascending. Empty in receipts of earlier versions. */
  tokens: v.optional(list(object({ layer: count, tokens: list(count) })), []),
  /** Share of expert matrices with fewer tokens than input channels: their Hessian is singular. */
  belowColumns: share,
});
export type ExpertRecord = v.InferOutput<typeof expertRecord>;

/** Results of tuning for the modules of one kind: `ratio` is the mean over the modules. */
const kindRecord = object({ tensors: count, ratio: amount });
export type KindRecord = v.InferOutput<typeof kindRecord>;

const moduleRecord = v.pipe(
  object({
    /**
     * Calibration loss tr(E H Eᵀ) of what is stored, relative to plain rounding at the same width;
     * 1 if both are 0. H is the Hessian used for tuning (table-hessian.ts for embeddings). For a
     * stack of experts it is the mean over the matrices.
     */
    ratio: amount,
    /** Rows, of all experts of a stack, that stay rounded because tuning did not improve them. */
    roundedRows: count,
    rows: count,
    /** The fallback that was used, as a phrase. */
    fallback: v.exactOptional(line),
  }),
  agree(function* ({ roundedRows, rows }) {
    if (roundedRows > rows) yield { at: ["roundedRows"], expected: "at most the module's rows" };
  }),
);
export type ModuleRecord = v.InferOutput<typeof moduleRecord>;

/** Repair of one layer's router. */
export const routerRecord = v.pipe(
  object({
    layer: count,
    /** Whether a fitted gate is stored. */
    repaired: flag,
    /**
     * Squared error of the fitted gate's logits on held-out rows, relative to that of the base's
     * own gate in the tier. At least 1 for a gate that was not repaired; null if nothing was
     * fitted.
     */
    ratio: v.nullable(amount),
  }),
  agree(function* ({ repaired, ratio }) {
    if (repaired && (ratio === null || ratio >= 1))
      yield { at: ["ratio"], expected: "a number below 1, for it was repaired" };
  }),
);
export type RouterRecord = v.InferOutput<typeof routerRecord>;

/** Repairs of a tier; null for those that were not asked for. */
const repairRecord = object({
  routers: v.nullable(list(routerRecord)),
  /**
   * Modules whose errors were reduced in the directions that later routers read. Their `ratio`
   * compares losses relative to targets that compensate for the errors of other rows.
   */
  routerAware: v.nullable(count),
  /**
   * Matrices tuned towards targets that compensate for earlier blocks. Their `ratio` compares
   * losses relative to these targets.
   */
  moved: v.nullable(count),
});

/** The receipt's record of tuning one tier. */
export const tuningRecordSchema = object({
  /** null where no routed experts are tuned: there are none, or their codes are the base's. */
  experts: v.nullable(expertRecord),
  /** Rows of all inputs that were left out of a Hessian because they were not finite. */
  droppedRows: count,
  repair: repairRecord,
  kinds: entries(oneOf(tensorKinds), kindRecord),
  /** MLX module path -> its record, for every quantized module that has no codes of the base. */
  modules: entries(line, moduleRecord),
});
export type TuningRecord = v.InferOutput<typeof tuningRecordSchema>;

/** The kind of each part of a model; experts have two. */
const kindsOfParts: Readonly<Record<Exclude<Part, "experts">, TensorKind>> = {
  embeddings: "embeddings",
  head: "head",
  attention: "attention",
  mamba: "mamba",
  delta: "gated DeltaNet",
  mlp: "mlp",
  shared: "shared experts",
  latent: "latent projections",
};

/**
 * The kind of a quantized role. Gate and up projections of experts share an input and are one kind.
 * Throws INTERNAL for a role that belongs to no part.
 */
export function kindOf({ role, part, projection }: Pick<Role, "role" | "part" | "projection">) {
  if (part === null) throw new OqeError("INTERNAL", `role "${role}" belongs to no part`);
  if (part !== "experts") return kindsOfParts[part];
  return projection === "down" ? "experts (down)" : "experts (up)";
}

/** The mean ratio of each kind among the tuned modules. `tensors`: all of the MLX repository. */
export function kindRecords(
  tensors: readonly PlannedTensor[],
  modules: TuningRecord["modules"],
): Partial<Record<TensorKind, KindRecord>> {
  const kinds: Partial<Record<TensorKind, KindRecord>> = {};
  for (const kind of tensorKinds) {
    const ratios = tensors
      .filter(
        (tensor) => Object.hasOwn(modules, modulePath(tensor)) && kindOf(tensor.role) === kind,
      )
      .map((tensor) => modules[modulePath(tensor)]!.ratio);
    if (ratios.length === 0) continue;
    kinds[kind] = {
      tensors: ratios.length,
      ratio: ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length,
    };
  }
  return kinds;
}
