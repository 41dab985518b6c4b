import { OqeError } from "../ground/errors.ts";
import { didYouMean } from "../ground/suggestion.ts";
import type { Bits } from "../kernel/width.ts";

/**
 * One tier of the series. Bits per weight (bpw) include scales and biases: at group size 64 they
 * add 0.5.
 */
export interface Tier {
  readonly name: string;
  /** Width of every module that the plan does not boost. */
  readonly bits: Bits;
  /** Target of the rules. */
  readonly targetBpw: number;
  /** Upper limit of the rules; null: the tier is uniform. */
  readonly capBpw: number | null;
  /** Upper limit of a measured plan: the size of the published series' tier. */
  readonly budgetBpw: number;
}

/** oMLX's levels 8, 6, 5 and 4 (omlx/oq.py). Level 8 is uniform. */
export const tiers: readonly Tier[] = [
  { name: "oQ8e", bits: 8, targetBpw: 8.5, capBpw: null, budgetBpw: 8.5 },
  { name: "oQ6e", bits: 6, targetBpw: 6.5, capBpw: 6.7, budgetBpw: 6.57 },
  { name: "oQ5e", bits: 5, targetBpw: 5.5, capBpw: 5.7, budgetBpw: 5.64 },
  { name: "oQ4e", bits: 4, targetBpw: 4.6, capBpw: 4.7, budgetBpw: 4.7 },
];

/**
 * Group size of every module. It divides the columns of all supported models. MLX is slower with
 * mixed sizes.
 */
export const tierGroupSize = 64;

/**
 * Parses `oQ8e,oQ4e`, in any case, separated by commas or white space. Returns each tier once, in
 * table order. Throws BAD_INPUT.
 */
export function parseTiers(text: string): readonly Tier[] {
  const wanted = text.split(/[\s,]+/).filter((word) => word !== "");
  const names = tiers.map(({ name }) => name);
  for (const word of wanted) {
    if (!names.some((name) => name.toLowerCase() === word.toLowerCase())) {
      throw new OqeError(
        "BAD_INPUT",
        `tiers: "${word}" is not a tier; known are ${names.join(", ")}`,
        `${didYouMean(word, names)}A tier of another size: --target-bpw 4.25 or --target-size 18GB.`,
      );
    }
  }
  const chosen = tiers.filter((tier) =>
    wanted.some((word) => word.toLowerCase() === tier.name.toLowerCase()),
  );
  if (chosen.length === 0) {
    throw new OqeError("BAD_INPUT", `tiers: none given; known are ${names.join(", ")}`);
  }
  return chosen;
}

/**
 * A model's name without suffixes of a quantization or cast: `-oQ4e`, `-oQ18GBe`, `-8bit`, `-bf16`,
 * `-mtp`.
 */
export function stripSuffixes(name: string): string {
  const suffix = /-(oq[\d.]+(?:[gm]i?b)?e?|\d+bit|fp\d+|bf\d+|mtp)$/i;
  let stripped = name;
  while (suffix.test(stripped)) stripped = stripped.replace(suffix, "");
  return stripped === "" ? name : stripped;
}
