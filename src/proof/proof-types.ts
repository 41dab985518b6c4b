/** How a model differs from its base on some positions. KL is KL(base ‖ model) in nats over the full vocabulary; errors are standard errors over rows. */
export interface Figures {
  readonly positions: number;
  readonly meanKl: number;
  readonly meanKlError: number;
  /** Share, 0 to 1, of positions where both hold the same token for the likeliest. */
  readonly sameTop: number;
  readonly perplexity: number;
  readonly basePerplexity: number;
  readonly perplexityRatio: number;
  readonly perplexityRatioError: number;
}

/** Routers of one layer, or of all. Shares, 0 to 1. */
export interface RouterFigures {
  /** Share of the base's choices of experts that the model made too. */
  readonly routerAgreement: number;
  /** Share of tokens whose whole set of experts is the same. */
  readonly exactRoutes: number;
}

/** The evidence of one tier: measured from the bytes as stored. Plain JSON, as `oqe verify --json` prints it. */
export interface Proof extends Figures {
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
  readonly forcedMeanKlError: number;
  /** Means over layers; null without routers. */
  readonly routerAgreement: number | null;
  readonly exactRoutes: number | null;
  readonly byDomain: readonly (Figures & { readonly domain: string })[];
  readonly byLayer: readonly (RouterFigures & { readonly layer: number })[];
  /** What the plan predicted, where it was measured; null where it was not. */
  readonly predicted: { readonly forcedKl: number; readonly kl: number } | null;
  /** Plain rounding (`mx.quantize`) at the same plan, on the same rows. */
  readonly rounded: (Figures & { readonly routerAgreement: number | null; readonly exactRoutes: number | null }) | null;
  /** The tier's gates, each with its limit; a tier that fails one is not published. */
  readonly gates: readonly {
    readonly gate: "max-kl" | "min-same-top" | "min-router-agreement";
    readonly limit: number;
    readonly value: number;
    readonly passed: boolean;
  }[];
}
