import { OqeError } from "../ground/errors.ts";
import { modulePath } from "../mlx/format.ts";
import type { Part, PlannedTensor, Role } from "../models/architecture.ts";

/** How the codes of a series are chosen: each rounded for itself, or tuned against calibration rows (docs/tuning.md). */
export const methods = ["rounded", "tuned"] as const;
export type Method = (typeof methods)[number];

/** Which activations a block is tuned on: those of the base model, or those behind the tier's own quantized blocks. */
export const propagations = ["reference", "sequential"] as const;
export type Propagation = (typeof propagations)[number];

/** What is mended of the errors that quantized blocks hand on (docs/tuning.md, Repair). */
export const repairs = ["residual", "router", "rounding"] as const;
export type Repair = (typeof repairs)[number];

/** Rows of text that went through the model. Known before any weight is read, so it is part of the recipe. */
export interface CalibrationRecord {
  /** `bundled`, the name of a file, or `datasets/org/name@commit/path`. Never a path of the machine. */
  readonly source: string;
  /** Of the token ids, row after row, as little-endian uint32. */
  readonly sha256: string;
  /** Rows, and tokens in each of them. */
  readonly samples: number;
  readonly length: number;
  /** All tokens: samples × length. */
  readonly tokens: number;
  /** Domain -> rows. */
  readonly domains: Readonly<Record<string, number>>;
}

/** How many calibration tokens the router sent to each routed expert. */
export interface ExpertRecord {
  /** Experts of all layers together. */
  readonly experts: number;
  /** Tokens of the expert that saw least, and of the one in the middle (mean of the two in the middle). */
  readonly min: number;
  readonly median: number;
  /** Experts without a single token. */
  readonly unseen: number;
  /** Share, 0 to 1, of expert matrices with fewer tokens than input channels: their own Hessian is singular. */
  readonly belowWidth: number;
}

/** What tuning brought for the modules of one kind. */
export interface KindRecord {
  readonly tensors: number;
  /** Mean over the modules of their `ratio`. */
  readonly ratio: number;
}

export interface ModuleRecord {
  /**
   * Calibration loss tr(E H Eᵀ) of what was stored over that of plain rounding at the same width, H as it was tuned with (of
   * embeddings that are only looked up: that of what reads them first); 1 where both are 0. Of an expert stack the mean over its matrices.
   */
  readonly ratio: number;
  /** Rows (of all experts of a stack) where plain rounding was at least as good and was kept. */
  readonly roundedRows: number;
  readonly rows: number;
  /** What was done instead where the method could not be applied as meant, as a phrase. */
  readonly fallback?: string;
}

/** What became of one layer's router. */
export interface RouterRecord {
  readonly layer: number;
  /** Whether its gate was fitted anew. */
  readonly repaired: boolean;
  /**
   * Squared error of the fitted gate's logits against the base's, on rows that the fit did not see, over that of the base's own gate behind the same
   * blocks; at least 1, or null where there was nothing to fit, of a gate that stayed.
   */
  readonly ratio: number | null;
}

/** What was mended of a tier; null for what was not asked for. */
export interface RepairRecord {
  readonly routers: readonly RouterRecord[] | null;
  /** Modules whose rounding spares the routers that read them. Their `ratio` is that of the loss against targets that make up for other rows. */
  readonly aimed: number | null;
  /** Tensors tuned towards what takes back errors of the blocks before. Their `ratio` is that of the loss against these targets. */
  readonly moved: number | null;
}

/** What tuning did to one tier. */
export interface TuningRecord {
  /** null for a model without routed experts. */
  readonly experts: ExpertRecord | null;
  /** Activation rows that were left out of a Hessian because they were not finite, over all inputs. */
  readonly droppedRows: number;
  readonly kinds: Readonly<Partial<Record<TensorKind, KindRecord>>>;
  readonly repair: RepairRecord;
  /** MLX module path -> what became of it, for every quantized module. */
  readonly modules: Readonly<Record<string, ModuleRecord>>;
}

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
 * The kind of a quantized role. Gate and up projection of an expert have the same input and count as one kind. Throws INTERNAL for a
 * role that belongs to no part.
 */
export function kindOf({ role, part, projection }: Pick<Role, "role" | "part" | "projection">) {
  if (part === null) throw new OqeError("INTERNAL", `role "${role}" belongs to no part`);
  if (part !== "experts") return kindsOfParts[part];
  return projection === "down" ? "experts (down)" : "experts (up)";
}

/** The mean ratio of every kind that occurs among the tuned modules. `tensors`: those of the MLX repo, in any order. */
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
