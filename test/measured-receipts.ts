import { readFileSync } from "node:fs";
import { seededRandom } from "../src/calibration/random.ts";
import type { Receipt } from "../src/card/receipt.ts";
import { describeSensitivity } from "../src/card/sensitivity.ts";
import { shareFigures } from "../src/card/series-figures.ts";
import type { ModelConfig } from "../src/checkpoint/model-config.ts";
import { expandTable } from "../src/models/expand.ts";
import { findArchitecture } from "../src/models/registry.ts";
import { type Measurement, measuredBits } from "../src/quant/measurement-types.ts";
import { planTier } from "../src/quant/plan.ts";
import type { PlannedTensor } from "../src/quant/plan-types.ts";
import { tiers } from "../src/quant/tiers.ts";
import { embedded } from "./models.ts";
import { provenReceipt, sha256 } from "./receipts.ts";

const domains = ["code", "de", "en", "es", "fr", "it", "ja", "math", "reasoning"];

/** A measurement of the shapes of a receipt's model; its figures are made up, skewed as real ones are, and the same each time. */
export function madeUpMeasurement({ plan, model, proof }: Receipt): Measurement {
  const random = seededRandom(5);
  const skewed = (spread: number) => Math.exp(spread * (random() + random() + random() - 1.5));
  const experts = (proof?.byLayer ?? []).map(({ layer }) => {
    const popular = Array.from({ length: model.experts?.routed ?? 0 }, () => skewed(2));
    const share = domains.map(() => normalized(popular.map((weight) => weight * skewed(1.5))));
    const damage = share.map((row) => row.map((part) => part * 0.004 * (1 + layer / 20) * skewed(1.5)));
    return { layer, share, gate: share, damage };
  });
  const critical = domains.flatMap((domain, at) =>
    experts
      .flatMap(({ layer, share, damage }) =>
        damage[at]!.map((value, expert) => ({ domain, layer, expert, share: share[at]![expert]!, damage: value })),
      )
      .sort((a, b) => b.damage - a.damage)
      .slice(0, 16),
  );
  const tensors = Object.keys(plan.modules).map((module) => {
    const [, layer] = /layers\.(\d+)\./.exec(module) ?? [];
    const price = 0.0002 * skewed(3);
    const widths = measuredBits.map((bits) => {
      const error = 4 ** (4 - bits);
      return { bits, bytes: 1000 * bits, error: 0.01 * error, smooth: price * error, flip: 3 * price * error };
    });
    const byDomain = normalized(domains.map(() => skewed(1)));
    return {
      module,
      role: "made.up",
      layer: layer === undefined ? null : Number(layer),
      widths,
      byDomain,
      blockError: 0.01,
    };
  });
  return {
    format: 1,
    engine: { name: "oqe-publisher", version: "0.1.0", kernelSha256: sha256("kernel") },
    base: { id: null, name: "made up", revision: "x" },
    proxy: null,
    calibration: { sha256: sha256("calibration"), samples: 128, length: 256 },
    probe: { samples: 16, length: 256, bits: 4 },
    domains,
    domainWeights: domains.map(() => 1),
    depthGain: [0, 6, 13, 19, 26, 32, 39, 45, 52].map((depth, at) => ({ depth, gain: 2 / (1 + at) })),
    together: { forcedKl: 0.011, freeKl: 0.021, flip: 0.04 },
    check: Object.keys(plan.modules)
      .slice(0, 5)
      .map((module, at) => ({ module, bits: 4, predicted: 0.001 * (1 + at / 20), tuned: 0.001 })),
    tensors,
    experts,
    critical,
  };
}

/** Receipts of a run that measured, planned, tuned and proved all four tiers of the 30B model. */
export const measuredSeries: readonly Receipt[] = shareFigures(
  tiers.map(({ name }) => {
    const receipt = provenReceipt(name);
    const options = { ...receipt.options, policy: "measured" };
    return { ...receipt, options, sensitivity: describeSensitivity(madeUpMeasurement(receipt)) };
  }),
);

/** The same of the model that is embedded in this repository: 11 blocks, 5 of them with 16 experts. */
export const smallSeries: readonly Receipt[] = shareFigures(measuredSeries.map(shrink));

function shrink(receipt: Receipt): Receipt {
  const config = JSON.parse(readFileSync(`${embedded}/config.json`, "utf8")) as ModelConfig;
  const architecture = findArchitecture(config);
  const tensors: PlannedTensor[] = expandTable(architecture, config).map((tensor) => ({ ...tensor, dtype: "BF16" }));
  const plans = tiers.map((tier) => planTier(tier, { architecture, config, tensors, storage: "BF16" }));
  const plan = plans.find(({ tier }) => tier === receipt.plan.tier)!;
  const tuned = Object.entries(receipt.tuning!.modules).filter(([module]) => Object.hasOwn(plan.modules, module));
  const small: Receipt = {
    ...receipt,
    tuning: { ...receipt.tuning!, modules: Object.fromEntries(tuned) },
    model: {
      ...receipt.model,
      layers: { mamba: 5, moe: 5, attention: 1 },
      experts: { routed: 16, perToken: 2, shared: 1 },
    },
    plan,
    series: plans.map(({ modules: _, ...row }) => row),
    proof: { ...receipt.proof!, byLayer: receipt.proof!.byLayer.filter(({ layer }) => layer < 11) },
  };
  return { ...small, sensitivity: describeSensitivity(madeUpMeasurement(small)) };
}

function normalized(weights: readonly number[]): number[] {
  const whole = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / whole);
}
