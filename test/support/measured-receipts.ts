import { readFileSync } from "node:fs";
import { countLayers } from "../../src/base/model-facts.ts";
import { seededRandom } from "../../src/calibration/random.ts";
import type { ModelConfig } from "../../src/checkpoint/model-config.ts";
import type { PlannedTensor } from "../../src/models/architecture.ts";
import { expandTable } from "../../src/models/expand.ts";
import type { LayerKind } from "../../src/models/layer-kind.ts";
import { findArchitecture } from "../../src/models/registry.ts";
import { defaultFloors, parseFloors } from "../../src/plan/floors.ts";
import { planTier } from "../../src/plan/plan.ts";
import type { Sensitivity } from "../../src/plan/sensitivity-types.ts";
import { tiers } from "../../src/plan/tiers.ts";
import type { Receipt } from "../../src/receipt/receipt.ts";
import { describeSensitivity } from "../../src/receipt/sensitivity-record.ts";
import { shareFigures } from "../../src/receipt/series-figures.ts";
import { embedded } from "./models.ts";
import { nemotron30b } from "./nemotron-30b.ts";
import { evaluatedReceipt } from "./receipts.ts";
import { makeSensitivity } from "./sensitivities.ts";

const domains = ["code", "de", "en", "es", "fr", "it", "ja", "math", "reasoning"];

/**
 * Receipts of a run with all four tiers of the 30B model, measured, tuned and evaluated. Plans are
 * real; figures are made up.
 */
export const measuredSeries = receiptsOf(nemotron30b);

/** The same for the embedded model: 11 blocks, 5 of them with 16 experts. */
export const smallSeries = receiptsOf(
  JSON.parse(readFileSync(`${embedded}/config.json`, "utf8")) as ModelConfig,
);

function receiptsOf(config: ModelConfig): readonly Receipt[] {
  const architecture = findArchitecture(config);
  const tensors: PlannedTensor[] = expandTable(architecture, config).map((tensor) => ({
    ...tensor,
    dtype: "BF16",
  }));
  const kinds = architecture.layers(config);
  const experts = architecture.experts(config)!;
  const sensitivity = withExperts(makeSensitivity(tensors), kinds, experts.routed);
  const basis = { sensitivity, floors: parseFloors(defaultFloors) };
  const plans = tiers.map((tier) =>
    planTier(tier, { architecture, config, tensors, storage: "BF16" }, basis),
  );
  const receipts = plans.map((plan) => {
    const receipt = evaluatedReceipt(plan.tier);
    const tuned = Object.entries(receipt.tuning!.modules).filter(([module]) =>
      Object.hasOwn(plan.modules, module),
    );
    return {
      ...receipt,
      model: { ...receipt.model, layers: countLayers(kinds), experts },
      options: { ...receipt.options, policy: "measured" },
      plan,
      series: plans.map(({ modules: _, ...row }) => row),
      sensitivity: describeSensitivity(sensitivity),
      tuning: { ...receipt.tuning!, modules: Object.fromEntries(tuned) },
      evaluation: {
        ...receipt.evaluation!,
        stock: { ...receipt.evaluation!.stock!, bytes: Math.round(0.957 * plans.at(-1)!.bytes) },
        byLayer: receipt.evaluation!.byLayer.filter(({ layer }) => layer < kinds.length),
      },
    };
  });
  return shareFigures(receipts);
}

/** Shares and damage as skewed as real ones, and the same each time. */
function withExperts(
  sensitivity: Sensitivity,
  kinds: readonly LayerKind[],
  count: number,
): Sensitivity {
  const random = seededRandom(5);
  const skewed = (spread: number) => Math.exp(spread * (random() + random() + random() - 1.5));
  const experts = kinds.flatMap(({ mlp }, layer) => {
    if (mlp !== "moe") return [];
    const popular = Array.from({ length: count }, () => skewed(2));
    const share = domains.map(() => normalized(popular.map((weight) => weight * skewed(1.5))));
    const damage = share.map((row) =>
      row.map((part) => part * 0.004 * (1 + layer / 20) * skewed(1.5)),
    );
    return [{ layer, share, gate: share, damage }];
  });
  const critical = domains.flatMap((domain, at) =>
    experts
      .flatMap(({ layer, share, damage }) =>
        damage[at]!.map((value, expert) => ({
          domain,
          layer,
          expert,
          share: share[at]![expert]!,
          damage: value,
        })),
      )
      .sort((a, b) => b.damage - a.damage)
      .slice(0, 16),
  );
  return {
    ...sensitivity,
    domains,
    domainWeights: domains.map(() => 1),
    depthGain: Array.from({ length: 9 }, (_, at) => ({
      depth: Math.round((at * kinds.length) / 8),
      gain: 2 / (1 + at),
    })),
    check: sensitivity.tensors.slice(0, 5).map(({ module }, at) => ({
      module,
      bits: 4,
      predicted: 0.001 * (1 + at / 20),
      tuned: 0.001,
    })),
    experts,
    critical,
  };
}

function normalized(weights: readonly number[]): number[] {
  const whole = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / whole);
}
