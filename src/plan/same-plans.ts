import { isDeepStrictEqual } from "node:util";
import type { TierPlan } from "./plan-types.ts";
import { tierFlag } from "./targets.ts";

/**
 * Warnings of tiers that give every module the same width: they would be the same files under
 * several names. This happens where codes of the base are kept, or targets are larger than the
 * model. Each names such tiers and the inputs that make every plan once.
 */
export function warningsOfSame(plans: readonly TierPlan[]): string[] {
  const isSame = (one: TierPlan, other: TierPlan) => isDeepStrictEqual(one.modules, other.modules);
  const groups = plans
    .filter((plan, at) => plans.findIndex((other) => isSame(other, plan)) === at)
    .map((first) => plans.filter((plan) => isSame(first, plan)).map(({ tier }) => tier));
  const inputs = flagsOf(groups.map(([first]) => first!));
  return groups
    .filter((names) => names.length > 1)
    .map((names) => {
      const all = `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
      return `${all} have the same widths everywhere: publish one of them, as ${inputs} does`;
    });
}

/** The flags that ask for these tiers alone. */
function flagsOf(names: readonly string[]): string {
  const values: Record<string, string[]> = {};
  for (const name of names)
    for (const [flag, value] of Object.entries(tierFlag(name)))
      values[flag] = [...(values[flag] ?? []), value];
  return Object.entries(values)
    .map(([flag, all]) => `--${flag} ${all.join(",")}`)
    .join(" ");
}
