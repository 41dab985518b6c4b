import { shapeOf } from "../../src/estimate/model-shape.ts";
import type { RunWork } from "../../src/estimate/work.ts";
import { planTier } from "../../src/plan/plan.ts";
import { tiers } from "../../src/plan/tiers.ts";
import { nemotron30b } from "./nemotron-30b.ts";
import { shapedBase } from "./shaped-base.ts";

const base = shapedBase(nemotron30b);
export const shape = shapeOf(base);
export const plans = tiers.map((tier) => planTier(tier, base));

const probed = {
  ...{ probe: 9 * 64, more: 18 * 64, positions: 9 * 16 },
  sample: { blocks: 3, experts: 8 },
};

/**
 * The series by default on three cores: 128 rows of 256 tokens, 64 of 128 to evaluate. Plainly
 * rounded: the plan of oQ4e, and the stock quant.
 */
export const series: RunWork = {
  shape,
  plans,
  measuring: { bytes: shape.bytes, others: 48 * 256, ...probed },
  tuning: { tokens: 128 * 256, repaired: 0, sequential: false, residual: false },
  evaluation: { tokens: 64 * 128, sparse: 16 * 128, rounded: 2 },
  staged: false,
  makes: true,
  workers: 3,
};
export const alone: RunWork = { ...series, plans: plans.slice(-1), measuring: null };
