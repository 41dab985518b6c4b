import type { Bits } from "../kernel/width.ts";

/** Widths that a measured plan chooses from. */
export const measuredBits = [3, 4, 5, 6, 8] as const satisfies readonly Bits[];

/** What a tensor (an expert stack is one) would cost at one width. */
export interface WidthPrice {
  readonly bits: (typeof measuredBits)[number];
  /** Codes, scales and biases. */
  readonly bytes: number;
  /** tr(E H Eᵀ) / tr(W H Wᵀ) predicted from the factor that the tuner uses; of a stack, over all its experts. */
  readonly error: number;
  /** Nats of KL(base ‖ quantized) a position, the base's routes forced, if this tensor alone were of this width. */
  readonly smooth: number;
  /**
   * Flip power: Σ over the later routers of density² · E[(change of the margin)²], a margin being the selection score of the last expert
   * that is visited minus that of the first that is not, density that of tokens at margin 0. Its root is proportional to the choices that flip.
   */
  readonly flip: number;
}

export interface MeasuredTensor {
  /** MLX module path. */
  readonly module: string;
  readonly role: string;
  /** null: the glue around the blocks. */
  readonly layer: number | null;
  /** Ascending bits: one for each of `measuredBits`. */
  readonly widths: readonly WidthPrice[];
  /** Share of the smooth price by domain, in the order of Measurement.domains, at the probe's width; sums to 1. */
  readonly byDomain: readonly number[];
  /** Power of its error in the hidden states after its block, over that of these states, at the probe's width; 0 for the glue. */
  readonly blockError: number;
}

/** What domains ask of one layer's experts. `[domain][expert]` throughout, domains in the order of Measurement.domains. */
export interface LayerExperts {
  readonly layer: number;
  /** Share of the domain's choices that fell on the expert; sums to 1 over experts. */
  readonly share: readonly (readonly number[])[];
  /** Share of the domain's gate weight. */
  readonly gate: readonly (readonly number[])[];
  /** Power of the error that quantizing this expert puts into the layer's routed output on the domain's tokens, over the power of what the block adds to the stream there. */
  readonly damage: readonly (readonly number[])[];
}

/** What the measuring walk found: everything that plans and cards need to know of a base's sensitivity. Plain JSON. */
export interface Sensitivity {
  readonly format: 1;
  readonly engine: {
    readonly name: string;
    readonly version: string;
    readonly kernelSha256: string;
  };
  readonly base: { readonly id: string | null; readonly name: string; readonly revision: string };
  /** What was read in the base's place: an MLX-quantized repository of it, or null for the base itself. */
  readonly proxy: string | null;
  /** SHA-256 of the calibration rows that Hessians were made of, and of those that were probed with. */
  readonly calibration: {
    readonly sha256: string;
    readonly samples: number;
    readonly length: number;
  };
  readonly probe: { readonly samples: number; readonly length: number; readonly bits: number };
  readonly domains: readonly string[];
  /** Weight of each domain in the prices, in the same order; mean 1. */
  readonly domainWeights: readonly number[];
  /** KL in nats per unit of relative noise power injected before layer `depth`, routes forced. */
  readonly depthGain: readonly { readonly depth: number; readonly gain: number }[];
  /**
   * All tensors at the probe's width at once: forced and free KL, and the flip power summed over tensors. Their difference is what flips
   * cost; at another total S of flip power they cost (free - forced) · √(S / flip).
   */
  readonly together: { readonly forcedKl: number; readonly freeKl: number; readonly flip: number };
  /** Predicted over real tuned Hessian-weighted error on a sample of tensors. */
  readonly check: readonly {
    readonly module: string;
    readonly bits: number;
    readonly predicted: number;
    readonly tuned: number;
  }[];
  readonly tensors: readonly MeasuredTensor[];
  /** Empty without routed experts. */
  readonly experts: readonly LayerExperts[];
  /** Experts that a domain suffers most from, worst first: a twentieth of all, at most 16 a domain. */
  readonly critical: readonly {
    readonly domain: string;
    readonly layer: number;
    readonly expert: number;
    readonly share: number;
    readonly damage: number;
  }[];
}
