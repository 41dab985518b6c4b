/**
 * How a model differs from its base on some positions. KL is KL(base ‖ model) in nats over the full vocabulary; errors are standard
 * errors over rows, null where there is only one row. Perplexities are of the next token: the last position of a row has none.
 */
export interface Figures {
  readonly positions: number;
  readonly meanKl: number;
  readonly meanKlError: number | null;
  /** Share, 0 to 1, of positions where both hold the same token for the likeliest. */
  readonly sameTop: number;
  readonly perplexity: number;
  readonly basePerplexity: number;
  readonly perplexityRatio: number;
  readonly perplexityRatioError: number | null;
}

/** Routers of one layer, or of all. Shares, 0 to 1. */
export interface RouterFigures {
  /** Share of the base's choices of experts that the model made too. */
  readonly routerAgreement: number;
  /** Share of tokens whose whole set of experts is the same. */
  readonly exactRoutes: number;
}

/** Means over layers; null without routers. */
export type MeanRouterFigures = { readonly [K in keyof RouterFigures]: number | null };

export const gateNames = ["max-kl", "min-same-top", "min-router-agreement"] as const;
export type GateName = (typeof gateNames)[number];

/** A limit on one figure, and whether it was kept. */
export interface Gate {
  readonly gate: GateName;
  readonly limit: number;
  readonly value: number;
  readonly passed: boolean;
}

/**
 * The evidence of one tier: measured from the bytes as stored. Plain JSON, as the receipt holds it and `oqe verify --json` prints
 * it; measured numbers have six significant digits.
 */
export interface Evaluation extends Figures, MeanRouterFigures {
  /** The evaluation rows. */
  readonly rows: {
    readonly source: string;
    readonly sha256: string;
    readonly samples: number;
    readonly length: number;
  };
  readonly medianKl: number;
  readonly p99Kl: number;
  readonly p999Kl: number;
  readonly maxKl: number;
  /** With the base's choices of experts forced upon the model: the part of the KL that is arithmetic. Equals meanKl without routers. */
  readonly forcedMeanKl: number;
  readonly forcedMeanKlError: number | null;
  readonly byDomain: readonly (Figures & { readonly domain: string })[];
  /** Layers that have routers. */
  readonly byLayer: readonly (RouterFigures & { readonly layer: number })[];
  /** What the plan predicted, where it was measured; null where it was not. */
  readonly predicted: { readonly forcedKl: number; readonly kl: number } | null;
  /** Plain rounding (`mx.quantize`) at the same plan, on the same rows; null where it was not measured. */
  readonly rounded: (Figures & MeanRouterFigures) | null;
  /** The tier's gates; a tier that fails one is not published. */
  readonly gates: readonly Gate[];
}
