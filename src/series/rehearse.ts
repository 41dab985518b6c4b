import type { Base } from "../base/base.ts";
import type { PlanInputs } from "../inputs/inputs.ts";
import { rehearseCard } from "./card-files.ts";
import { checkPlaces, type PlaceInputs } from "./folders.ts";
import { makePlan, planDrafts, type TierDraft, type TierRun } from "./recipes.ts";

/**
 * Checks folders and cards before anything is measured. A plan by fixed rules replaces the measured
 * plan, which does not exist yet. Gives the runs with that plan.
 */
export async function rehearse(
  { baseModel, overwrite, tiers, policy, floors }: PlaceInputs & PlanInputs,
  drafts: readonly TierDraft[],
  base: Base,
): Promise<readonly TierRun[]> {
  await checkPlaces(drafts, { baseModel, overwrite });
  const plan = makePlan(base, { tiers, policy, floors }, null);
  const runs = planDrafts(drafts, { base, floors, plan, sensitivity: null });
  for (const { recipe } of runs) await rehearseCard(recipe);
  return runs;
}
