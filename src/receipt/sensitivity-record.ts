import type { LayerExperts, Sensitivity } from "../plan/sensitivity-types.ts";

/** What a receipt keeps of the measurement that its plan was made from: three significant digits, costs at the probe's width. */
export interface SensitivityRecord {
  /** The quantized repository that was read in the base's place; null for the base itself. */
  readonly proxy: string | null;
  /** The rows that the Hessians were made of, and those that were probed with. */
  readonly calibration: Sensitivity["calibration"];
  readonly probe: Sensitivity["probe"];
  readonly domains: readonly string[];
  /** Of each domain in the costs; mean 1. */
  readonly domainWeights: readonly number[];
  /** KL in nats per unit of relative noise power injected before a layer, routes forced. */
  readonly depthGain: Sensitivity["depthGain"];
  /** All tensors at the probe's width at once. */
  readonly together: Sensitivity["together"];
  /** Predicted and real error of a sample of tuned tensors. */
  readonly check: Sensitivity["check"];
  /** MLX module path -> nats of KL and flip power of this tensor alone at the probe's width. */
  readonly costs: Readonly<
    Record<string, { readonly forcedKl: number; readonly flipPower: number }>
  >;
  /** Of each layer of routed experts, ascending. */
  readonly experts: readonly ExpertSensitivity[];
  /** The experts that a domain suffers most from, worst first. */
  readonly critical: Sensitivity["critical"];
}

export interface ExpertSensitivity {
  readonly layer: number;
  /** Share of the layer's choices that fell on each expert, by the weights of the domains. */
  readonly share: readonly number[];
  /** `[domain][expert]`: power of the error that quantizing the expert puts into the routed output, over that of what the block adds to the stream. */
  readonly damage: readonly (readonly number[])[];
}

const digits = 3;
/** Experts of a domain that card and picture name, of those that the receipt has. */
export const namedExperts = 4;

/** What a receipt tells of a measurement. */
export function describeSensitivity(sensitivity: Sensitivity): SensitivityRecord {
  const { proxy, calibration, probe, domains, depthGain, together, check, tensors, critical } =
    sensitivity;
  const costs = tensors.flatMap(({ module, widths }) => {
    const cost = widths.find(({ bits }) => bits === probe.bits);
    return cost === undefined
      ? []
      : [[module, { forcedKl: short(cost.forcedKl), flipPower: short(cost.flipPower) }] as const];
  });
  return {
    proxy,
    calibration,
    probe,
    domains,
    domainWeights: sensitivity.domainWeights.map(short),
    depthGain: depthGain.map(({ depth, gain }) => ({ depth, gain: short(gain) })),
    together: {
      forcedKl: short(together.forcedKl),
      freeKl: short(together.freeKl),
      flipPower: short(together.flipPower),
    },
    check: check.map(({ module, bits, predicted, tuned }) => ({
      ...{ module, bits },
      predicted: short(predicted),
      tuned: short(tuned),
    })),
    costs: Object.fromEntries(costs.sort(([a], [b]) => (a < b ? -1 : 1))),
    experts: sensitivity.experts.map((layer) => ({
      layer: layer.layer,
      share: meanShare(layer, sensitivity.domainWeights),
      damage: layer.damage.map((experts) => experts.map(short)),
    })),
    critical: critical.map(({ domain, layer, expert, share, damage }) => ({
      ...{ domain, layer, expert },
      share: short(share),
      damage: short(damage),
    })),
  };
}

/** Weighted by domain; a layer's shares still sum to 1. */
function meanShare({ share }: LayerExperts, weights: readonly number[]): number[] {
  const whole = weights.reduce((sum, weight) => sum + weight, 0);
  const experts = share[0]?.length ?? 0;
  return Array.from({ length: experts }, (_, expert) =>
    short(
      weights.reduce((sum, weight, domain) => sum + weight * (share[domain]?.[expert] ?? 0), 0) /
        whole,
    ),
  );
}

/** NaN and infinities stay what they are, for the writer to refuse. */
function short(value: number): number {
  return Number(value.toPrecision(digits));
}
