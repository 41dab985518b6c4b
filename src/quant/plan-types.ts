import type { Width } from "../kernel/width.ts";
import type { OutputTensor } from "../models/architecture.ts";

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
  /** MLX module path -> width. */
  readonly modules: Readonly<Record<string, Width>>;
}

/** What `oqe plan --json` prints. */
export interface SeriesPlan {
  readonly model: string;
  readonly revision: string;
  readonly policy: string;
  readonly tiers: readonly TierPlan[];
  /** Tensors that no tier quantizes, with the reason. */
  readonly kept: Readonly<Record<string, string>>;
}

/** A tensor of the output with its dtype in the base, as the planner needs it. */
export interface PlannedTensor extends OutputTensor {
  readonly dtype: string;
}
