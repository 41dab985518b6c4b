import type { Bits } from "../kernel/width.ts";

/** Bit widths that the measured policy chooses from. */
export const measuredBits = [3, 4, 5, 6, 8] as const satisfies readonly Bits[];

/**
 * What quantizing one tensor (or one stack of experts) at one width costs. There are two costs,
 * because a quantization error acts in two ways: it changes what the model computes, and it changes
 * which experts later routers choose (a "flip").
 */
export interface WidthCost {
  readonly bits: (typeof measuredBits)[number];
  /** Bytes of codes, scales and biases together. */
  readonly bytes: number;
  /** Predicted tr(E H Eᵀ) / tr(W H Wᵀ), over all experts of a stack. H is the tuner's Hessian. */
  readonly error: number;
  /**
   * KL(base ‖ quantized) in nats per position if only this tensor has this width. Routes are forced:
   * every router follows the base's choice of experts.
   */
  readonly forcedKl: number;
  /**
   * Σ over the later routers of density² · E[(change of the margin)²]. A token's margin is the
   * selection score of its last chosen expert minus that of the first one not chosen. The density
   * is that of tokens at margin 0. The number of flips is proportional to the root of this power.
   */
  readonly flipPower: number;
}

export interface MeasuredTensor {
  /** MLX module path. */
  readonly module: string;
  readonly role: string;
  /** null: outside the blocks (embeddings or head). */
  readonly layer: number | null;
  /** One entry for each of `measuredBits`, ascending. */
  readonly widths: readonly WidthCost[];
  /** Share of `forcedKl` by domain at the probe's width, in the order of `domains`. Sums to 1. */
  readonly byDomain: readonly number[];
  /**
   * Power of the tensor's error in the hidden states after its block, relative to the power of these
   * states, at the probe's width. 0 outside the blocks.
   */
  readonly blockError: number;
}

/** How the domains use one layer's experts. Every table is `[domain][expert]`. */
export interface LayerExperts {
  readonly layer: number;
  /** Share of the domain's routing choices that went to the expert. Sums to 1 over experts. */
  readonly share: readonly (readonly number[])[];
  /** Share of the domain's gate weight. */
  readonly gate: readonly (readonly number[])[];
  /**
   * Power of the error that quantizing this expert adds to the routed output on the domain's tokens,
   * relative to the power of what the block adds to the residual stream there.
   */
  readonly damage: readonly (readonly number[])[];
}

/** Result of `oqe sensitivity`: all that plans and cards need to know of a base. Plain JSON. */
export interface Sensitivity {
  readonly format: 1;
  readonly engine: {
    readonly name: string;
    readonly version: string;
    readonly kernelSha256: string;
  };
  readonly base: { readonly id: string | null; readonly name: string; readonly revision: string };
  /** The quantized MLX repository that was measured in place of the base; null: the base itself. */
  readonly proxy: string | null;
  /** The calibration rows. `sha256` covers all of them, the probe's included. */
  readonly calibration: {
    readonly sha256: string;
    readonly samples: number;
    readonly length: number;
  };
  /** The rows that the probes ran on, and the width that they were quantized at. */
  readonly probe: { readonly samples: number; readonly length: number; readonly bits: number };
  readonly domains: readonly string[];
  /** Weight of each domain in the costs, in the order of `domains`. Mean 1. */
  readonly domainWeights: readonly number[];
  /**
   * KL in nats per unit of relative noise power. The noise is added to the hidden states before
   * layer `depth`; routes are forced.
   */
  readonly depthGain: readonly { readonly depth: number; readonly gain: number }[];
  /**
   * All tensors at the probe's width at once: KL with forced and with free routes, and the sum of
   * the tensors' flip powers. The difference of the two KLs is what flips cost. A plan whose flip
   * powers sum to S is predicted to lose (freeKl - forcedKl) · √(S / flipPower) through flips.
   */
  readonly together: {
    readonly forcedKl: number;
    readonly freeKl: number;
    readonly flipPower: number;
  };
  /** Predicted and actual Hessian-weighted error of a sample of tensors that were really tuned. */
  readonly check: readonly {
    readonly module: string;
    readonly bits: number;
    readonly predicted: number;
    readonly tuned: number;
  }[];
  readonly tensors: readonly MeasuredTensor[];
  /** Empty for a model without routed experts. */
  readonly experts: readonly LayerExperts[];
  /** Experts whose error damages a domain most, worst first: 5 % of all, at most 16 per domain. */
  readonly critical: readonly {
    readonly domain: string;
    readonly layer: number;
    readonly expert: number;
    readonly share: number;
    readonly damage: number;
  }[];
}
