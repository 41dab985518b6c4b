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
 * How the codes of a series are chosen: each rounded for itself, or tuned against calibration rows
 * (docs/tuning.md).
 */
export const methods = ["rounded", "tuned"] as const;
export type Method = (typeof methods)[number];

/**
 * Which activations a block is tuned on: those of the base model, or those behind the tier's own
 * quantized blocks.
 */
export const propagations = ["reference", "sequential"] as const;
export type Propagation = (typeof propagations)[number];

/** What is mended of the errors that quantized blocks hand on (docs/tuning.md, Repair). */
export const repairs = ["residual", "router", "rounding"] as const;
export type Repair = (typeof repairs)[number];

/** Kinds of quantized matrices, as the field names them; in the order that a card lists them. */
export const tensorKinds = [
  "embeddings",
  "head",
  "attention",
  "mamba",
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
  /**
   * Tokens of the expert that saw least, and the median over experts (mean of the two in the
   * middle).
   */
  min: count,
  median: v.pipe(
    amount,
    v.check((value) => Number.isSafeInteger(2 * value), "a whole number, or one and a half"),
  ),
  /** Experts without a single token. */
  unseen: count,
  /**
   * Share of expert matrices with fewer tokens than input channels: their own Hessian is singular.
   */
  belowWidth: share,
});
export type ExpertRecord = v.InferOutput<typeof expertRecord>;

/** Results of tuning for the modules of one kind: `ratio` is the mean over the modules. */
const kindRecord = object({ tensors: count, ratio: amount });
export type KindRecord = v.InferOutput<typeof kindRecord>;

const moduleRecord = v.pipe(
  object({
    /**
     * Calibration loss tr(E H Eᵀ) of what was stored over that of plain rounding at the same width;
     * 1 where both are 0. H is the Hessian it was tuned with (of embeddings that are only looked
     * up: that of their first reader). Of an expert stack it is the mean over its matrices.
     */
    ratio: amount,
    /**
     * Rows (of all experts of a stack) that stay rounded, because plain rounding is at least as
     * good.
     */
    roundedRows: count,
    rows: count,
    /** What was done instead where the method could not be applied, as a phrase. */
    fallback: v.exactOptional(line),
  }),
  agree(function* ({ roundedRows, rows }) {
    if (roundedRows > rows) yield { at: ["roundedRows"], expected: "at most the module's rows" };
  }),
);
export type ModuleRecord = v.InferOutput<typeof moduleRecord>;

/** Repair of one layer's router. */
const routerRecord = v.pipe(
  object({
    layer: count,
    /** Whether its gate was fitted anew. */
    repaired: flag,
    /**
     * Squared error of the fitted gate's logits against the base's, on rows that the fit did not
     * see, over that of the base's own gate behind the same blocks. A gate that was not repaired
     * has at least 1, or null where there was nothing to fit.
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
   * Modules whose rounding spares the routers that read them. Their `ratio` is that of the loss
   * against targets that make up for other rows.
   */
  aimed: v.nullable(count),
  /**
   * Tensors tuned towards targets that take back errors of the blocks before. Their `ratio` is that
   * of the loss against these targets.
   */
  moved: v.nullable(count),
});
export type RepairRecord = v.InferOutput<typeof repairRecord>;

/** What tuning did to one tier. */
export const tuningRecordSchema = object({
  /** null for a model without routed experts. */
  experts: v.nullable(expertRecord),
  /**
   * Activation rows that were left out of a Hessian because they were not finite, over all inputs.
   */
  droppedRows: count,
  repair: repairRecord,
  kinds: entries(oneOf(tensorKinds), kindRecord),
  /** MLX module path -> its record, for every quantized module. */
  modules: entries(line, moduleRecord),
});
export type TuningRecord = v.InferOutput<typeof tuningRecordSchema>;

/** Kinds of the parts whose matrices are of one kind. */
const kindsOfParts: Readonly<Record<Exclude<Part, "experts">, TensorKind>> = {
  embeddings: "embeddings",
  head: "head",
  attention: "attention",
  mamba: "mamba",
  mlp: "mlp",
  shared: "shared experts",
  latent: "latent projections",
};

/**
 * The kind of a quantized role. Gate and up projection of an expert have the same input and count
 * as one kind. Throws INTERNAL for a role that belongs to no part.
 */
export function kindOf({ role, part, projection }: Pick<Role, "role" | "part" | "projection">) {
  if (part === null) throw new OqeError("INTERNAL", `role "${role}" belongs to no part`);
  if (part !== "experts") return kindsOfParts[part];
  return projection === "down" ? "experts (down)" : "experts (up)";
}

/**
 * The mean ratio of every kind that occurs among the tuned modules. `tensors`: those of the MLX
 * repo, in any order.
 */
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
