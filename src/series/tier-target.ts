import type { Report } from "../ground/report.ts";
import { digestOf } from "../receipt/recipe.ts";
import { AheadParts } from "./ahead-parts.ts";
import type { TierRun } from "./recipes.ts";
import { aheadBranch } from "./staged-records.ts";
import { StagedTier } from "./staged-tier.ts";
import { readStaging, type StagingPlace, stagingPlace } from "./staging-claim.ts";

/** A tier that is made, its folder and its staging branches. */
export interface Target {
  readonly run: TierRun;
  readonly folder: string;
  /** null: nothing is staged. */
  readonly staged: StagedTier | null;
  /** What another job makes of it; null: none does. */
  readonly ahead: AheadParts | null;
}

export interface TargetRequest {
  /** Where tuned tiers are staged; null: on the disk only. */
  readonly staging: Pick<StagingPlace, "hub" | "private" | "readsOnly"> | null;
  /**
   * Whether another job may make parts of the tiers meanwhile (tuneAhead). Default: only what one
   * has left is taken over.
   */
  readonly expectsAhead?: boolean;
  readonly report: Report;
}

/** Opens the staging branches of a tier. A rounded one has none: it has no parts to go on with. */
export async function openTarget(
  { staging, expectsAhead = false, report }: TargetRequest,
  { run, folder, isTuned }: Pick<Target, "run" | "folder"> & { readonly isTuned: boolean },
): Promise<Target> {
  if (staging === null || !isTuned) return { run, folder, staged: null, ahead: null };
  const { hub } = staging;
  const place = { ...stagingPlace(staging, run), recipe: digestOf(run.recipe), report };
  const { repository } = place;
  const staged = await StagedTier.open(place);
  const isAsked =
    run.recipe.options.propagation === "reference" &&
    (expectsAhead || (await readStaging(hub, repository, aheadBranch)) !== null);
  return { run, folder, staged, ahead: isAsked ? new AheadParts(place) : null };
}
