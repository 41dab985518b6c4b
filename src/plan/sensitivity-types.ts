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
} from "../ground/schema.ts";
import type { Bits } from "../kernel/width.ts";

const most = { domains: 256, tensors: 1_000_000 };

/** Widths that a measured plan chooses from. */
export const measuredBits = [3, 4, 5, 6, 8] as const satisfies readonly Bits[];

/** What a tensor (an expert stack is one) would cost at one width. */
const widthPrice = object({
  bits: oneOf(measuredBits),
  /** Codes, scales and biases. */
  bytes: amount,
  /**
   * tr(E H Eᵀ) / tr(W H Wᵀ), predicted from the factor that the tuner uses; of a stack, over all
   * its experts.
   */
  error: amount,
  /**
   * Nats of KL(base ‖ quantized) per position, routes forced, if only this tensor had this width.
   */
  smooth: amount,
  /**
   * Flip power: Σ over the later routers of density² · E[(change of the margin)²]. The margin is
   * the selection score of the last chosen expert minus that of the first one not chosen; density
   * is that of tokens at margin 0. Its root is proportional to the choices that flip.
   */
  flip: amount,
});
export type WidthPrice = v.InferOutput<typeof widthPrice>;

const measuredTensor = object({
  /** MLX module path. */
  module: line,
  role: line,
  /** null: embeddings, final norm and head, which lie outside the blocks. */
  layer: v.nullable(count),
  /** Ascending bits: one for each of `measuredBits`. */
  widths: v.pipe(
    list(widthPrice, measuredBits.length),
    v.check(
      (widths) => measuredBits.every((bits, at) => widths[at]?.bits === bits),
      `prices at ${measuredBits.join(", ")} bits, in this order`,
    ),
  ),
  /**
   * Share of the smooth price by domain, in the order of `domains`, at the probe's width; sums to
   * 1.
   */
  byDomain: list(amount, most.domains),
  /**
   * Power of its error in the hidden states after its block, over that of these states, at the
   * probe's width; 0 outside the blocks.
   */
  blockError: amount,
});
export type MeasuredTensor = v.InferOutput<typeof measuredTensor>;

/** `[domain][expert]`, domains in the order of `domains`. */
const byExpert = list(list(amount), most.domains);

/** What domains ask of one layer's experts. */
const layerExperts = object({
  layer: count,
  /** Share of the domain's choices that fell on the expert; sums to 1 over experts. */
  share: byExpert,
  /** Share of the domain's gate weight. */
  gate: byExpert,
  /**
   * Power of the error that quantizing this expert puts into the layer's routed output on the
   * domain's tokens, over the power of what the block adds to the residual stream there.
   */
  damage: byExpert,
});
export type LayerExperts = v.InferOutput<typeof layerExperts>;

/** Fields that the receipt repeats from the file. */
export const sharedSensitivity = {
  /** SHA-256 of the calibration rows that the Hessians were made of. */
  calibration: object({ sha256, samples: count, length: count }),
  /** Rows that were probed with, and the width that all tensors had then. */
  probe: object({ samples: count, length: count, bits: count }),
};
export const depthGain = object({ depth: count, gain: amount });
export const together = object({ forcedKl: amount, freeKl: amount, flip: amount });
export const checkedTensor = { module: line, bits: count, predicted: amount, tuned: amount };
export const criticalExpert = {
  domain: domainName,
  layer: count,
  expert: count,
  share: amount,
  damage: amount,
};

/**
 * The results of the sensitivity walk: everything that plans and cards need to know of a base's
 * sensitivity. Plain JSON.
 */
const sensitivityFields = object({
  format: oneOf([1]),
  engine: object({ name: line, version: line, kernelSha256: sha256 }),
  base: object({ id: v.nullable(line), name: line, revision: line }),
  /** The MLX-quantized repository that was read in place of the base; null for the base itself. */
  proxy: v.nullable(line),
  ...sharedSensitivity,
  domains: list(domainName, most.domains),
  /** Weight of each domain in the prices, in the same order; mean 1. */
  domainWeights: list(amount, most.domains),
  /** KL in nats per unit of relative noise power injected before layer `depth`, routes forced. */
  depthGain: list(depthGain),
  /**
   * All tensors at the probe's width at once: forced and free KL, and the flip power summed over
   * tensors. The difference of both KLs is the cost of flips. At another total flip power S, flips
   * cost (free - forced) · √(S / flip).
   */
  together,
  /** Predicted and real tuned Hessian-weighted error on a sample of tensors. */
  check: list(object(checkedTensor)),
  tensors: list(measuredTensor, most.tensors),
  /** Empty without routed experts. */
  experts: list(layerExperts),
  /**
   * Most sensitive experts of each domain, worst first: a twentieth of all, at most 16 a domain.
   */
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
