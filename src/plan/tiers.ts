import { OqeError } from "../ground/errors.ts";
import type { Bits } from "../kernel/width.ts";

/** One tier of the series. Bits per weight count scales and biases: affine at group size 64 adds 0.5. */
export interface Tier {
  readonly name: string;
  /** Width of every module that the plan does not boost. */
  readonly bits: Bits;
  /** What the plan aims at. */
  readonly targetBpw: number;
  /** What the plan never passes; null: the tier is uniform and there is nothing to spend. */
  readonly capBpw: number | null;
  /** The most that a measured plan takes: what the published series' tier takes, so that both compare at equal bytes or fewer. */
  readonly budgetBpw: number;
}

/** oMLX's levels 8, 6, 5 and 4 (omlx/oq.py); level 8 has no budget, its target is its own uniform rate. */
export const tiers: readonly Tier[] = [
  { name: "oQ8e", bits: 8, targetBpw: 8.5, capBpw: null, budgetBpw: 8.5 },
  { name: "oQ6e", bits: 6, targetBpw: 6.5, capBpw: 6.7, budgetBpw: 6.57 },
  { name: "oQ5e", bits: 5, targetBpw: 5.5, capBpw: 5.7, budgetBpw: 5.64 },
  { name: "oQ4e", bits: 4, targetBpw: 4.6, capBpw: 4.7, budgetBpw: 4.7 },
];

/** Group size of every module: it divides the widths of all four architectures, and mixing sizes costs speed in MLX. */
export const tierGroupSize = 64;

/** Parses `oQ8e,oQ4e` (any case, spaces or commas or lines), in table order, without repeats. Throws BAD_INPUT. */
export function parseTiers(text: string): readonly Tier[] {
  const wanted = text.split(/[\s,]+/).filter((word) => word !== "");
  for (const word of wanted) {
    if (!tiers.some((tier) => tier.name.toLowerCase() === word.toLowerCase())) {
      throw new OqeError(
        "BAD_INPUT",
        `tiers: "${word}" is not a tier; known are ${tiers.map((tier) => tier.name).join(", ")}`,
      );
    }
  }
  const chosen = tiers.filter((tier) =>
    wanted.some((word) => word.toLowerCase() === tier.name.toLowerCase()),
  );
  if (chosen.length === 0) {
    throw new OqeError(
      "BAD_INPUT",
      `tiers: none given; known are ${tiers.map((tier) => tier.name).join(", ")}`,
    );
  }
  return chosen;
}

/** The base's name without the suffixes of a former quantization or cast (`-oQ4e`, `-oQ18GBe`, `-8bit`, `-bf16`, `-mtp`). */
export function stripSuffixes(name: string): string {
  const suffix = /-(oq[\d.]+(?:[gm]i?b)?e?|\d+bit|fp\d+|bf\d+|mtp)$/i;
  let stripped = name;
  while (suffix.test(stripped)) stripped = stripped.replace(suffix, "");
  return stripped === "" ? name : stripped;
}
