import * as v from "valibot";
import { domainName, rowsIdentity } from "../calibration/calibration-record.ts";
import { agree, amount, count, flag, list, object, oneOf, share } from "../ground/schema.ts";
import { predictedLoss } from "../plan/plan-types.ts";

const most = { domains: 256, layers: 4096 };

/** A standard error over rows; null where there is only one row. */
const standardError = v.nullable(amount);

/**
 * How a model differs from its base on some positions. KL is KL(base ‖ model) in nats over the full
 * vocabulary. Perplexities are of the next token: the last position of a row has none.
 */
const figures = {
  positions: count,
  meanKl: amount,
  meanKlError: standardError,
  /** Share of positions where both models rank the same token first. */
  sameTop: share,
  perplexity: amount,
  basePerplexity: amount,
  perplexityRatio: amount,
  perplexityRatioError: standardError,
};
const figuresSchema = object(figures);
export type Figures = v.InferOutput<typeof figuresSchema>;

/** Routers of one layer, or of all. */
const routerFigures = {
  /** Router agreement: share of the base's choices of experts that the model makes too. */
  routerAgreement: share,
  /** Share of tokens whose whole set of experts is the same. */
  exactRoutes: share,
};
const routerFiguresSchema = object(routerFigures);
export type RouterFigures = v.InferOutput<typeof routerFiguresSchema>;

/** Means over layers; null without routers. */
const meanRouterFigures = { routerAgreement: v.nullable(share), exactRoutes: v.nullable(share) };
const meanRouterFiguresSchema = object(meanRouterFigures);
export type MeanRouterFigures = v.InferOutput<typeof meanRouterFiguresSchema>;

/** A quant of the same base, with its size. */
const stockFigures = object({
  /** Of all tensor data. */
  bytes: count,
  /** Bits per weight over all tensors. */
  fileBpw: amount,
  ...figures,
  ...meanRouterFigures,
});
export type StockFigures = v.InferOutput<typeof stockFigures>;

/** Figures of chunks of text. The last position of each is left out (wikitext-ride.ts). */
const wikitextFigures = object({
  rows: object(rowsIdentity),
  ...figures,
  medianKl: amount,
  p99Kl: amount,
  maxKl: amount,
});

export const gateNames = ["max-kl", "min-same-top", "min-router-agreement"] as const;
export type GateName = (typeof gateNames)[number];

/** A limit on one figure, and whether the tier passed it. */
const gate = v.pipe(
  object({ gate: oneOf(gateNames), limit: amount, value: amount, passed: flag }),
  agree(function* ({ gate, limit, value, passed }) {
    const expected = gate === "max-kl" ? value <= limit : value >= limit;
    if (passed !== expected) yield { at: ["passed"], expected: `${expected}, by value and limit` };
  }),
);
export type Gate = v.InferOutput<typeof gate>;

/**
 * The evaluation of one tier, from the bytes as stored. Plain JSON: the receipt holds it and `oqe
 * verify --json` prints it. Measured numbers have six significant digits.
 */
export const evaluationSchema = v.pipe(
  object({
    /** The evaluation rows. */
    rows: object(rowsIdentity),
    ...figures,
    medianKl: amount,
    p99Kl: amount,
    p999Kl: amount,
    maxKl: amount,
    /**
     * With forced routes: the model uses the base's choices of experts, so that this is the
     * arithmetic part of the KL. Equals meanKl without routers.
     */
    forcedMeanKl: amount,
    /** Positions that it is the mean of: of a large model fewer rows. */
    forcedPositions: count,
    forcedMeanKlError: standardError,
    ...meanRouterFigures,
    byDomain: list(object({ domain: domainName, ...figures }), most.domains),
    /** Layers that have routers, ascending. */
    byLayer: list(object({ layer: count, ...routerFigures }), most.layers),
    /** The plan's prediction; null for a plan by fixed rules. */
    predicted: v.nullable(predictedLoss),
    /**
     * Plain rounding (`mx.quantize`) at the same plan, on the same rows as with forced routes; null
     * where it was not measured.
     */
    rounded: v.nullable(object({ ...figures, ...meanRouterFigures })),
    /**
     * The quant that `mlx_lm.convert -q` makes by default, on the same rows as plain rounding; null
     * where it was not measured.
     */
    stock: v.optional(v.nullable(stockFigures), null),
    /** On WikiText-2, for comparison with others' figures; absent where its text was not given. */
    wikitext: v.exactOptional(wikitextFigures),
    /** The tier's gates; a tier that fails one is held back. */
    gates: list(gate, gateNames.length),
  }),
  agree(function* ({ byDomain, byLayer, rounded, stock, ...mean }) {
    if (new Set(byDomain.map(({ domain }) => domain)).size < byDomain.length)
      yield { at: ["byDomain"], expected: "each domain once" };
    if (byLayer.some(({ layer }, at) => at > 0 && layer <= byLayer[at - 1]!.layer))
      yield { at: ["byLayer"], expected: "layers, ascending" };
    const both = "null exactly where exactRoutes is";
    if (!areBoth(mean)) yield { at: ["routerAgreement"], expected: both };
    if (rounded !== null && !areBoth(rounded))
      yield { at: ["rounded", "routerAgreement"], expected: both };
    if (stock !== null && !areBoth(stock))
      yield { at: ["stock", "routerAgreement"], expected: both };
  }),
);
export type Evaluation = v.InferOutput<typeof evaluationSchema>;

function areBoth({ routerAgreement, exactRoutes }: MeanRouterFigures): boolean {
  return (routerAgreement === null) === (exactRoutes === null);
}
