import { grouped, parseSize, sizeUnits, splitSize } from "../ground/digits.ts";
import { OqeError } from "../ground/errors.ts";
import { bytesPerElement, type FloatDtype } from "../kernel/dtype.ts";
import type { Bits } from "../kernel/width.ts";
import { elements, quantizedBytes } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { widthAt } from "./plan-widths.ts";
import { type Tier, tierGroupSize } from "./tiers.ts";

/** A tier by its size: bits per weight of the quantizable tensors, or bytes of all tensor data. */
export type Target =
  | { readonly name: string; readonly bpw: number }
  | { readonly name: string; readonly bytes: number };

export type TierChoice = Tier | Target;

const mostBpw = 16;

/**
 * Custom tiers from `4.25, 3.6` and `18GB, 900 MiB`, one for each; none for empty text. Names say
 * the size: oQ4.25e, oQ18GBe. A whole number of bits is written with a decimal, as in oQ4.0e,
 * because oQ4e is a tier of the series. Throws BAD_INPUT.
 */
export function parseTargets(bpw: string, size: string): readonly Target[] {
  const targets = [
    ...split(bpw).map(parseBpw),
    ...split(size.replace(/(\d)\s+([a-z])/gi, "$1$2")).map(parseTargetSize),
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
      "Give at most three decimals, as in 4.25. Scales and biases count: 4 bits take 4.5.",
    );
  }
  return { name: `oQ${Number.isInteger(bpw) ? bpw.toFixed(1) : bpw}e`, bpw };
}

function parseTargetSize(text: string): Target {
  const size = splitSize(text);
  if (size === null || size.count === 0) {
    throw new OqeError(
      "BAD_INPUT",
      `target-size: "${text}" is not a size`,
      `Give a number and a unit (${sizeUnits.join(", ")}), as in 18GB; at most three decimals.`,
    );
  }
  return { name: `oQ${size.count}${size.unit}e`, bytes: parseSize(text)! };
}

/** The flag that requests the tier of this name, and its value. */
export function tierFlag(name: string): Record<string, string> {
  const [, bpw, size] = /^oQ(?:(\d+\.\d+)|([\d.]+[GM]i?B))e$/.exec(name) ?? [];
  return bpw !== undefined
    ? { "target-bpw": bpw }
    : size !== undefined
      ? { "target-size": size }
      : { tiers: name };
}

/**
 * Separates the names of custom tiers in a list of tiers, as texts of `target-bpw` and
 * `target-size`, from the other words.
 */
export function splitTiers(text: string): { bpw: string[]; size: string[]; others: string[] } {
  const flags = split(text).map(tierFlag);
  const words = (flag: string) => flags.flatMap((one) => one[flag] ?? []);
  return { bpw: words("target-bpw"), size: words("target-size"), others: words("tiers") };
}

/** Facts that determine the size of a model's tiers. */
export interface Sizes {
  readonly quantizable: readonly PlannedTensor[];
  /** Bytes of the unquantized tensors. */
  readonly unquantizedBytes: number;
  readonly storage: FloatDtype;
  /** Widths that a plan may choose, ascending. */
  readonly widths: readonly Bits[];
}

/**
 * The tier that a target means for a model. Its budget is the size minus the unquantized tensors.
 * Its base width is the largest whose uniform plan fits, else the smallest there is. A tier of the
 * series is returned as it is.
 */
export function resolveTier(choice: TierChoice, sizes: Sizes): Tier {
  if ("bits" in choice) return choice;
  const parameters = parametersOf(sizes);
  const bytes =
    "bpw" in choice
      ? (parameters * choice.bpw) / 8
      : Math.max(0, choice.bytes - sizes.unquantizedBytes);
  const bpw = (8 * bytes) / parameters;
  const fitting = sizes.widths.filter((bits) => uniformBytes(bits, sizes) <= bytes);
  return {
    name: choice.name,
    bits: fitting.at(-1) ?? sizes.widths[0]!,
    targetBpw: bpw,
    capBpw: bpw,
    budgetBpw: bpw - (8 * widerBytes(sizes)) / parameters,
  };
}

/**
 * Bytes that a tier may spend on its quantizable tensors. Budgets assume scales and biases of 16
 * bits. Wider ones add to the budget, so that a tier means the same widths for any storage dtype.
 */
export function budgetBytes(tier: Tier, sizes: Sizes): number {
  return Math.floor((parametersOf(sizes) * tier.budgetBpw) / 8 + widerBytes(sizes) + 2 ** -20);
}

/** The tier with a budget of at most `bytes` for quantized tensors. */
export function capTier(tier: Tier, bytes: number, sizes: Sizes): Tier {
  const bpw = (8 * (bytes - widerBytes(sizes))) / parametersOf(sizes);
  return bpw < tier.budgetBpw ? { ...tier, budgetBpw: bpw } : tier;
}

/**
 * What a user should know of a target that is larger than all of the model at the widest width;
 * null: it is not.
 */
export function tooLarge(choice: TierChoice, sizes: Sizes): string | null {
  if ("bits" in choice) return null;
  const most = sizes.widths.at(-1)!;
  const largest = uniformBytes(most, sizes);
  if (resolveTier(choice, sizes).targetBpw <= (8 * largest) / parametersOf(sizes)) return null;
  const bytes = grouped(largest + sizes.unquantizedBytes);
  const whole = `${most} bits throughout, which take ${bytes} bytes`;
  return `${choice.name} is larger than ${whole}: the tier will have no more`;
}

/** Bytes by which scales and biases are wider than 16 bits. */
function widerBytes(sizes: Sizes): number {
  return (parametersOf(sizes) * 2 * (bytesPerElement[sizes.storage]! - 2)) / tierGroupSize;
}

export function uniformBytes(bits: Bits, { quantizable, storage }: Sizes): number {
  return quantizable.reduce(
    (sum, tensor) => sum + quantizedBytes(tensor.shape, widthAt(tensor, bits), storage),
    0,
  );
}

export function parametersOf({ quantizable }: Sizes): number {
  return quantizable.reduce((sum, tensor) => sum + elements(tensor.shape), 0);
}

/** The smallest possible plan. */
export interface SmallestPlan {
  readonly bytes: number;
  /** Why it cannot be smaller. */
  readonly limits: string;
  /** Whether floors are among the limits. */
  readonly hasFloors: boolean;
}

/** The error for a budget below the smallest possible plan. */
export function refuseBudget(
  tier: Tier,
  { bytes: smallest, limits, hasFloors }: SmallestPlan,
  sizes: Sizes,
): OqeError {
  const budget = budgetBytes(tier, sizes);
  const bpw = (bytes: number) =>
    `${((8 * bytes) / parametersOf(sizes)).toFixed(2)} bits per weight`;
  const larger = "Choose larger tiers or targets";
  const hint = hasFloors
    ? `${larger}, or lower the floors: --floors attention=4, or --floors none.`
    : `${larger}. No plan has less than ${sizes.widths[0]} bits.`;
  return new OqeError(
    "BAD_INPUT",
    `${tier.name} may take ${grouped(budget)} bytes of quantized tensors, ${bpw(budget)}; ` +
      `the smallest possible plan takes ${grouped(smallest)}, ${bpw(smallest)} (${limits}), ` +
      `and with all unquantized tensors ${grouped(smallest + sizes.unquantizedBytes)} bytes`,
    hint,
  );
}
