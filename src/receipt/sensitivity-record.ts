import * as v from "valibot";
import { domainName } from "../calibration/calibration-record.ts";
import {
  agree,
  amount,
  type Contradiction,
  count,
  entries,
  line,
  list,
  matching,
  object,
  share,
} from "../ground/schema.ts";
import {
  checkedTensor,
  criticalExpert,
  depthGain,
  type LayerExperts,
  type Sensitivity,
  sharedSensitivity,
  tiedTable,
  together,
} from "../plan/sensitivity-types.ts";

const most = {
  domains: 64,
  layers: 1024,
  experts: 8192,
  depths: 256,
  checked: 4096,
  critical: 1024,
};

/**
 * A repository on the Hub at a commit, or the name of a folder. A path of the machine is neither.
 */
export const proxyName = matching(
  /^(?:[\w.-]{1,96}\/)?[\w. -]{1,200}(?:@[\w.:-]{1,80})?$/,
  "org/name@commit, or a folder's name",
);

const expertSensitivity = v.pipe(
  object({
    layer: count,
    /** Share of the layer's choices that fell on each expert, by the weights of the domains. */
    share: list(share, most.experts),
    /**
     * `[domain][expert]`: power of the error that quantizing the expert puts into the routed
     * output, over that of what the block adds to the residual stream.
     */
    damage: list(list(amount, most.experts), most.domains),
  }),
  agree(function* ({ share, damage }) {
    const wrong = damage.findIndex((row) => row.length !== share.length);
    if (wrong !== -1) yield { at: ["damage", wrong], expected: "a number for each expert" };
  }),
);

const record = object({
  /** The quantized repository that was read in place of the base; null for the base itself. */
  proxy: v.nullable(proxyName),
  ...sharedSensitivity,
  domains: list(domainName, most.domains),
  /** Of each domain in the costs; mean 1. */
  domainWeights: list(amount, most.domains),
  /** KL in nats per unit of relative noise power injected before a layer, routes forced. */
  depthGain: list(depthGain, most.depths),
  /** All tensors at the probe's width at once. */
  together,
  /** Predicted and real error of a sample of tuned tensors. */
  check: list(object(checkedTensor), most.checked),
  /** MLX module path -> nats of KL and flip power of this tensor alone at the probe's width. */
  costs: entries(line, object({ forcedKl: amount, flipPower: amount })),
  tied: v.nullable(tiedTable),
  /** Of each layer of routed experts, ascending. */
  experts: list(expertSensitivity, most.layers),
  /** Most sensitive experts of each domain, worst first. */
  critical: list(object({ ...criticalExpert, share }), most.critical),
});

/**
 * The part of a sensitivity that a receipt records: three significant digits, costs at the probe's
 * width.
 */
export type SensitivityRecord = v.InferOutput<typeof record>;
export const sensitivityRecordSchema = v.pipe(record, agree(contradictions));

function* contradictions(sensitivity: SensitivityRecord): Generator<Contradiction> {
  const { domains, domainWeights, experts, critical } = sensitivity;
  if (new Set(domains).size < domains.length)
    yield { at: ["domains"], expected: "each domain once" };
  if (domainWeights.length !== domains.length)
    yield { at: ["domainWeights"], expected: "a weight for each domain" };
  for (const [at, { layer, damage }] of experts.entries()) {
    if (damage.length !== domains.length)
      yield { at: ["experts", at, "damage"], expected: "a row for each domain" };
    if (at > 0 && layer <= experts[at - 1]!.layer)
      yield { at: ["experts"], expected: "layers, ascending" };
  }
  const widths = new Map(experts.map(({ layer, share }) => [layer, share.length]));
  for (const [at, { domain, layer, expert }] of critical.entries()) {
    const known = widths.get(layer);
    if (known === undefined)
      yield { at: ["critical", at, "layer"], expected: "a layer of experts" };
    else if (expert >= known)
      yield { at: ["critical", at, "expert"], expected: "an expert of the layer" };
    if (!domains.includes(domain))
      yield { at: ["critical", at, "domain"], expected: `one of ${domains.join(", ")}` };
  }
}

const digits = 3;
/** Card and picture name this many critical experts of each domain. */
export const namedExperts = 4;

/** Makes the record of a sensitivity for the receipt. */
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
    tied: sensitivity.tied && {
      mix: sensitivity.tied.mix,
      tried: sensitivity.tied.tried.map(({ mix, forcedKl, flipPower, cost }) => {
        return { mix, forcedKl: short(forcedKl), flipPower: short(flipPower), cost: short(cost) };
      }),
    },
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

/** Mean share by domain weight. The shares of a layer still sum to 1. */
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

/** Leaves NaN and infinities as they are: the writer refuses them. */
function short(value: number): number {
  return Number(value.toPrecision(digits));
}
