import { grouped } from "../ground/digits.ts";
import { OqeError } from "../ground/errors.ts";
import { bytesPerElement, type FloatDtype } from "../kernel/dtype.ts";
import type { Bits, Width } from "../kernel/width.ts";
import { elements, quantizedBytes } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { type Tier, tierGroupSize } from "./tiers.ts";

/** A tier by what it may take: bits per weight of the quantizable tensors, or bytes of all tensor data. */
export type Target =
  | { readonly name: string; readonly bpw: number }
  | { readonly name: string; readonly bytes: number };

export type TierChoice = Tier | Target;

const units = { GB: 1e9, GiB: 2 ** 30, MB: 1e6, MiB: 2 ** 20 } as const;
const mostBpw = 16;

/**
 * Custom tiers from `4.25, 3.6` and `18GB, 900 MiB`, one for each; empty text: none. They are called by what they may take: oQ4.25e,
 * oQ4.0e (oQ4e is a tier of the series), oQ18GBe. Throws BAD_INPUT.
 */
export function parseTargets(bpw: string, size: string): readonly Target[] {
  const targets = [
    ...split(bpw).map(parseBpw),
    ...split(size.replace(/(\d)\s+([a-z])/gi, "$1$2")).map(parseSize),
  ];
  const twice = targets.find(
    ({ name }, at) => targets.findIndex((other) => other.name === name) < at,
  );
  if (twice !== undefined)
    throw new OqeError("BAD_INPUT", `${twice.name} is asked for more than once`);
  return targets;
}

function split(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== "");
}

function parseBpw(text: string): Target {
  const bpw = /^\d{1,2}(\.\d{1,3})?$/.test(text) ? Number(text) : 0;
  if (bpw <= 0 || bpw > mostBpw) {
    throw new OqeError(
      "BAD_INPUT",
      `target-bpw: "${text}" is not a number of bits per weight up to ${mostBpw}`,
      "At most three decimals, as in 4.25. Scales and biases count: 4 bits in groups of 64 are 4.5.",
    );
  }
  return { name: `oQ${Number.isInteger(bpw) ? bpw.toFixed(1) : bpw}e`, bpw };
}

function parseSize(text: string): Target {
  const [, digits, unit] = /^(\d{1,5}(?:\.\d{1,3})?)(GB|GiB|MB|MiB)$/i.exec(text) ?? [];
  const known = Object.keys(units).find((name) => name.toLowerCase() === unit?.toLowerCase());
  if (known === undefined || Number(digits) === 0) {
    throw new OqeError(
      "BAD_INPUT",
      `target-size: "${text}" is not a size`,
      `A number with at most three decimals and ${Object.keys(units).join(", ")}, as in 18GB.`,
    );
  }
  const count = Number(digits);
  return {
    name: `oQ${count}${known}e`,
    bytes: Math.floor(count * units[known as keyof typeof units]),
  };
}

/** The flag that asks for a tier by its name. */
export function tierFlag(name: string): Record<string, string> {
  const [, bpw, size] = /^oQ(?:(\d+\.\d+)|([\d.]+[GM]i?B))e$/.exec(name) ?? [];
  return bpw !== undefined
    ? { "target-bpw": bpw }
    : size !== undefined
      ? { "target-size": size }
      : { tiers: name };
}

/** What a target is measured against. */
export interface Measure {
  readonly quantizable: readonly PlannedTensor[];
  /** Bytes of the tensors that are not quantized. */
  readonly keptBytes: number;
  readonly storage: FloatDtype;
  /** Widths that a plan may choose, ascending. */
  readonly widths: readonly Bits[];
}

/**
 * The tier that a target means for a model: what is left for its quantizable tensors, and as base width the largest whose uniform plan
 * fits, else the smallest there is. A tier of the series is itself.
 */
export function resolveTier(choice: TierChoice, measure: Measure): Tier {
  if ("bits" in choice) return choice;
  const parameters = parametersOf(measure);
  const bytes =
    "bpw" in choice ? (parameters * choice.bpw) / 8 : Math.max(0, choice.bytes - measure.keptBytes);
  const bpw = (8 * bytes) / parameters;
  const fitting = measure.widths.filter((bits) => uniformBytes(bits, measure) <= bytes);
  return {
    name: choice.name,
    bits: fitting.at(-1) ?? measure.widths[0]!,
    targetBpw: bpw,
    capBpw: bpw,
    budgetBpw: bpw - (8 * widerBytes(measure)) / parameters,
  };
}

/**
 * Bytes that a tier may spend on its quantizable tensors. Budgets are meant with scales and biases of 16 bits; wider ones are added on top,
 * so that a tier of the series means the same widths for any storage dtype.
 */
export function budgetBytes(tier: Tier, measure: Measure): number {
  return Math.floor((parametersOf(measure) * tier.budgetBpw) / 8 + widerBytes(measure) + 2 ** -20);
}

/** A tier that may not take more than some bytes of quantized tensors either. */
export function capTier(tier: Tier, bytes: number, measure: Measure): Tier {
  const bpw = (8 * (bytes - widerBytes(measure))) / parametersOf(measure);
  return bpw < tier.budgetBpw ? { ...tier, budgetBpw: bpw } : tier;
}

/** Bytes by which scales and biases are wider than 16 bits. */
function widerBytes(measure: Measure): number {
  return (parametersOf(measure) * 2 * (bytesPerElement[measure.storage]! - 2)) / tierGroupSize;
}

export function uniformBytes(bits: Bits, { quantizable, storage }: Measure): number {
  const width: Width = { bits, groupSize: tierGroupSize };
  return quantizable.reduce((sum, tensor) => sum + quantizedBytes(tensor.shape, width, storage), 0);
}

function parametersOf({ quantizable }: Measure): number {
  return quantizable.reduce((sum, tensor) => sum + elements(tensor.shape), 0);
}

/** A budget that no plan keeps: says the smallest possible size. `limits`: what keeps it from being smaller. */
export function refuseBudget(
  tier: Tier,
  smallest: number,
  limits: string,
  measure: Measure,
): OqeError {
  const budget = budgetBytes(tier, measure);
  const bpw = (bytes: number) =>
    `${((8 * bytes) / parametersOf(measure)).toFixed(2)} bits per weight`;
  return new OqeError(
    "BAD_INPUT",
    `${tier.name} may take ${grouped(budget)} bytes of quantized tensors, ${bpw(budget)}; the smallest possible plan takes ` +
      `${grouped(smallest)}, ${bpw(smallest)} (${limits}), and with what is never quantized ${grouped(smallest + measure.keptBytes)} bytes`,
    "Choose larger tiers or targets, or lower the floors, as in --floors attention=4 or --floors none.",
  );
}
