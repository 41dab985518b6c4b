import * as v from "valibot";
import { domainName } from "../calibration/calibration-record.ts";
import {
  agree,
  amount,
  type Contradiction,
  count,
  line,
  list,
  object,
  oneOf,
  sha256,
  share,
} from "../ground/schema.ts";
import type { Bits } from "../kernel/width.ts";

/** The largest models have some thousand modules: a stack of experts is one. */
const most = { domains: 256, tensors: 65_536 };

/** Bit widths that the measured policy chooses from. */
export const measuredBits = [3, 4, 5, 6, 8] as const satisfies readonly Bits[];

/**
 * The cost of quantizing one tensor (or one stack of experts) at one width. There are two costs,
 * because a quantization error acts in two ways: it changes the model's arithmetic, and it makes
 * later routers choose other experts (a "flip").
 */
const widthCost = object({
  bits: oneOf(measuredBits),
  /** Bytes of codes, scales and biases together. */
  bytes: amount,
  /** Predicted tr(E H Eᵀ) / tr(W H Wᵀ), over all experts of a stack. H is the tuner's Hessian. */
  error: amount,
  /**
   * KL(base ‖ quantized) in nats per position if only this tensor has this width. Routes are
   * forced: every router follows the base's choice of experts.
   */
  forcedKl: amount,
  /**
   * Σ over the later routers of density² · E[(change of the margin)²]. A token's margin is the
   * selection score of its last chosen expert minus that of the first one not chosen. The density
   * is that of tokens at margin 0. The number of flips is proportional to the root of this
   * power.
   */
  flipPower: amount,
});
export type WidthCost = v.InferOutput<typeof widthCost>;

const measuredTensor = object({
  /** MLX module path. */
  module: line,
  role: line,
  /** null: outside the blocks (embeddings or head). */
  layer: v.nullable(count),
  /** One entry for each of `measuredBits`, ascending. */
  widths: v.pipe(
    list(widthCost),
    v.check(
      (widths) =>
        widths.length === measuredBits.length &&
        measuredBits.every((bits, at) => widths[at]!.bits === bits),
      `costs at ${measuredBits.join(", ")} bits, in this order`,
    ),
  ),
  /** Share of `forcedKl` by domain at the probe's width, in the order of `domains`. Sums to 1. */
  byDomain: list(amount, most.domains),
  /**
   * Power of the tensor's error in the hidden states after its block, relative to the power of
   * these states, at the probe's width. 0 outside the blocks.
   */
  blockError: amount,
});
export type MeasuredTensor = v.InferOutput<typeof measuredTensor>;

/** `[domain][expert]` */
const byExpert = list(list(amount), most.domains);

/** How the domains use one layer's experts. Every table is `[domain][expert]`. */
export const layerExperts = object({
  layer: count,
  /** Share of the domain's routing choices that went to the expert. Sums to 1 over experts. */
  share: byExpert,
  /** Share of the domain's gate weight. */
  gate: byExpert,
  /**
   * Power of the error that quantizing this expert adds to the routed output on the domain's
   * tokens, relative to the power of what the block adds to the residual stream there.
   */
  damage: byExpert,
});
export type LayerExperts = v.InferOutput<typeof layerExperts>;

/** Fields that the receipt repeats from the file. */
export const sharedSensitivity = {
  /** The calibration rows. `sha256` covers all of them, the probe's included. */
  calibration: object({ sha256, samples: count, length: count }),
  /** The rows that the probes ran on, and the width that they were quantized at. */
  probe: object({ samples: count, length: count, bits: count }),
};
export const depthGain = object({ depth: count, gain: amount });
export const together = object({
  forcedKl: amount,
  freeKl: amount,
  flipPower: amount,
});
export const checkedTensor = { module: line, bits: count, predicted: amount, tuned: amount };
export const criticalExpert = {
  domain: domainName,
  layer: count,
  expert: count,
  share: amount,
  damage: amount,
};

/**
 * A table that is both embeddings and head, tuned with some mixes of the Hessians of both uses
 * (docs/tuning.md). `mix`: share of the head. `cost`: nats of KL with the table alone at the
 * probe's width, in both uses, with its share of the cost of flips.
 */
export const tiedTable = object({
  /** The one with the least cost. */
  mix: share,
  tried: list(object({ mix: share, forcedKl: amount, flipPower: amount, cost: amount }), 16),
});

/** Result of `oqe sensitivity`: the measurements that plans and cards use. Plain JSON. */
const sensitivityFields = object({
  format: oneOf([1]),
  engine: object({
    ...{ name: line, version: line, recipe: v.optional(count, 0) },
    kernelSha256: sha256,
  }),
  base: object({ id: v.nullable(line), name: line, revision: line }),
  /** The quantized MLX repository that was measured in place of the base; null: the base itself. */
  proxy: v.nullable(line),
  ...sharedSensitivity,
  domains: list(domainName, most.domains),
  /** Weight of each domain in the costs, in the order of `domains`. Mean 1. */
  domainWeights: list(amount, most.domains),
  /**
   * KL in nats per unit of relative error power in the hidden states before layer `depth`, from
   * the probes of the block before it; routes are forced.
   */
  depthGain: list(depthGain),
  /**
   * All tensors at the probe's width at once: KL with forced and with free routes, and the sum of
   * the tensors' flip powers. The difference of the two KLs is the cost of flips. A plan whose flip
   * powers sum to S is predicted to lose (freeKl - forcedKl) · √(S / flipPower) through flips.
   */
  together,
  /** Predicted and actual Hessian-weighted error of a sample of tensors that were really tuned. */
  check: list(object(checkedTensor)),
  tensors: list(measuredTensor, most.tensors),
  /** null: embeddings and head are two tables, or none is quantized. */
  tied: v.nullable(tiedTable),
  /** Empty for a model without routed experts. */
  experts: list(layerExperts),
  /** Experts whose error damages a domain most, worst first: 5 % of all, at most 16 per domain. */
  critical: list(object(criticalExpert)),
});
export type Sensitivity = v.InferOutput<typeof sensitivityFields>;
export const sensitivitySchema = v.pipe(sensitivityFields, agree(contradictions));

/** Lists by domain have a value for each domain, and a module has one entry. */
function* contradictions(sensitivity: Sensitivity): Generator<Contradiction> {
  const { domains, domainWeights, tensors, experts, critical } = sensitivity;
  const count = domains.length;
  const numbers = `${count} numbers`;
  if (new Set(domains).size < count) yield { at: ["domains"], expected: "each domain once" };
  if (domainWeights.length !== count) yield { at: ["domainWeights"], expected: numbers };
  const modules = new Set<string>();
  for (const [at, { module, byDomain }] of tensors.entries()) {
    if (modules.has(module))
      yield { at: ["tensors", at, "module"], expected: "a module that no earlier entry has" };
    if (byDomain.length !== count) yield { at: ["tensors", at, "byDomain"], expected: numbers };
    modules.add(module);
  }
  for (const [at, layer] of experts.entries()) {
    for (const name of ["share", "gate", "damage"] as const) {
      const rows = layer[name];
      if (rows.length !== count || rows.some((row) => row.length !== rows[0]!.length))
        yield { at: ["experts", at, name], expected: `${count} rows of one length` };
    }
  }
  const stray = critical.findIndex(({ domain }) => !domains.includes(domain));
  if (stray !== -1)
    yield { at: ["critical", stray, "domain"], expected: `one of ${domains.join(", ")}` };
}
