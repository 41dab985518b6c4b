import { total } from "../ground/sum.ts";
import { isMxfp4 } from "../kernel/width.ts";
import { modulePath } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { TierPlan } from "../plan/plan-types.ts";
import type { ProbeSample } from "../sensitivity/probe-rows.ts";
import type { MatrixShape, ModelShape } from "./model-shape.ts";

/** A tier as its plan says. A finished one to be verified has no modules here. */
export type PlannedTier = Pick<TierPlan, "tier" | "modules" | "bytes">;

/** What a measurement reads, and the tokens of the rows that it runs on. */
export interface MeasuringWork {
  /** Bytes of the base, or of the proxy. */
  readonly bytes: number;
  /** For Hessians. */
  readonly others: number;
  /** Of every probe. */
  readonly probe: number;
  /** More tokens that the base and all tensors together run on. */
  readonly more: number;
  /** Positions of every probe whose logits are compared. */
  readonly positions: number;
  /** Most probed blocks of a kind, and tuned experts of a layer. */
  readonly sample: ProbeSample;
}

/** What a run is going to do. */
export interface RunWork {
  readonly shape: ModelShape;
  /** If the measured plans do not exist yet, plans by fixed rules. Their sizes are the same. */
  readonly plans: readonly PlannedTier[];
  /** Bytes of the base that are copied into every tier. Default: 0. */
  readonly carried?: number;
  /** null: nothing is measured. */
  readonly measuring: MeasuringWork | null;
  /** null: the tiers are rounded, or there are already. */
  readonly tuning: {
    readonly tokens: number;
    /** Tokens that repair each tier's routers; 0: no repair. */
    readonly repaired: number;
    readonly sequential: boolean;
    /** Whether the base's states of the same tokens are kept beside a tier's. */
    readonly residual: boolean;
  } | null;
  /** null: nothing is evaluated. */
  readonly evaluation: {
    readonly tokens: number;
    /** Of them those that the runs beside the free ones pass (EvaluationRows.every). */
    readonly sparse: number;
    /** Tokens of WikiText-2, which base and tiers pass once. Default: none. */
    readonly wikitext?: number;
    /** Runs of plain rounding: beside tiers, and the stock quant. */
    readonly rounded: number;
  } | null;
  /** Whether finished blocks go to a staging branch, and leave the disk. */
  readonly staged: boolean;
  /** Operations of a run that makes later parts of the tiers only. Default: they are made whole. */
  readonly ahead?: number | undefined;
  /** Whether tiers are made. `oqe verify` only evaluates. */
  readonly makes: boolean;
  readonly workers: number;
}

/** Bytes at the largest moment of a stage, if all hidden states between two blocks are in files. */
export interface StageMemory {
  readonly name: string;
  readonly bytes: number;
  /** Whether riders keep hidden states meanwhile. */
  readonly holds: boolean;
}

/** Runs of the base, each by its tokens. */
export function baseRuns({ evaluation }: Pick<RunWork, "evaluation">): readonly number[] {
  if (evaluation === null) return [];
  const { tokens, wikitext = 0 } = evaluation;
  return wikitext > 0 ? [tokens, wikitext] : [tokens];
}

/** Runs of the evaluation beside the base's, each by its tokens. */
export function comparedRuns({
  shape,
  plans,
  evaluation,
}: Pick<RunWork, "shape" | "plans" | "evaluation">): {
  /** Of each tier: free and, with routers, forced; and on WikiText-2. */
  readonly perTier: readonly number[];
  /** Plain rounding. */
  readonly rounded: readonly number[];
  /** How many. */
  readonly count: number;
  /** Tokens of all. */
  readonly tokens: number;
} {
  if (evaluation === null) return { perTier: [], rounded: [], count: 0, tokens: 0 };
  const { tokens, sparse, wikitext = 0, rounded: beside } = evaluation;
  const free = shape.experts === null ? [tokens] : [tokens, sparse];
  const perTier = wikitext > 0 ? [...free, wikitext] : free;
  const rounded: number[] = Array(beside).fill(sparse);
  return {
    ...{ perTier, rounded },
    count: perTier.length * plans.length + beside,
    tokens: total(perTier) * plans.length + total(rounded),
  };
}

/** How many affine widths the plans give a tensor; 0 if it is unquantized or copied. */
export function widthsOf(tensor: PlannedTensor, plans: readonly PlannedTier[]): number {
  return bitsOf(tensor, plans).length;
}

/** The affine widths that the plans give a tensor, in bits. */
export function bitsOf(tensor: PlannedTensor, plans: readonly PlannedTier[]): readonly number[] {
  const path = modulePath(tensor);
  const widths = plans.flatMap(({ modules }) => modules[path] ?? []);
  return [...new Set(widths.filter((width) => !isMxfp4(width)).map(({ bits }) => bits))];
}

/** The matrices that are tuned for some plan: it does not take their codes from the base. */
export function tunedOf(
  matrices: readonly MatrixShape[],
  plans: readonly PlannedTier[],
): readonly MatrixShape[] {
  return matrices.filter(({ tensor }) => widthsOf(tensor, plans) > 0);
}
