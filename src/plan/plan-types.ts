import type { Bits, Width } from "../kernel/width.ts";

/** A tier's plan: which width every quantized module gets. Plain JSON: the same value goes to `plan --json`, receipt and card. */
export interface TierPlan {
  readonly tier: string;
  /** The tier's aim, in bits per weight of the quantizable tensors, scales and biases included. */
  readonly targetBpw: number;
  /** By the plan's definition: 8 × bytes / parameters over the quantizable tensors only (facts: docs/tiers.md). */
  readonly bpw: number;
  /** 8 × payload bytes / parameters over the whole file. */
  readonly fileBpw: number;
  /** Payload of the safetensors files (tensor data, no headers). */
  readonly bytes: number;
  /** Modules above the tier's base width. */
  readonly boosts: number;
  /** Boosts by width, as `8bitX48, 6bitX70`. */
  readonly plan: string;
  /** What the plan costs in nats of KL(base ‖ tier) a position, as its prices say; null where it was made without prices. */
  readonly predicted: PredictedLoss | null;
  /** Least widths by role that the plan had to keep, those that concern this model; null where it was made by rules. */
  readonly floors: Floors | null;
  /** MLX module path -> width. */
  readonly modules: Readonly<Record<string, Width>>;
}

export interface PredictedLoss {
  /** With the base's choices of experts forced upon the tier. */
  readonly forcedKl: number;
  readonly kl: number;
}

/** Role, or the first word of several, or `first-mamba` (all of the first Mamba block) -> least bits. */
export type Floors = Readonly<Record<string, Bits>>;

/** What `oqe plan --json` prints. */
export interface SeriesPlan {
  readonly model: string;
  readonly revision: string;
  readonly policy: string;
  readonly tiers: readonly TierPlan[];
  /** Tensors that no tier quantizes, with the reason. */
  readonly kept: Readonly<Record<string, string>>;
}
