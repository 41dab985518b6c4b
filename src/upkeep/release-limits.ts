import { OqeError } from "../ground/errors.ts";
import type { UpkeepRequest } from "./upkeep-types.ts";

// GitHub's limits, so that what exceeds them is told before anything is made.

/** Files of a release. */
export const mostFiles = 1000;
/** Files of one attestation. */
export const mostSubjects = 1024;
/** Files of a release that are not of one tier: the matrix and the list of weights. */
export const filesOfAll = 2;

/**
 * Throws BAD_INPUT if the series file has more tiers than a release can hold: each needs at least
 * the file of its receipt.
 */
export function requireReleasable({
  file,
  inputsOf,
}: Pick<UpkeepRequest, "file" | "inputsOf">): void {
  const tiers = file.models.reduce((sum, model) => sum + inputsOf(model).tiers.length, 0);
  const most = mostFiles - filesOfAll;
  if (tiers <= most) return;
  throw new OqeError(
    "BAD_INPUT",
    `${file.name} has ${tiers} tiers, and a release on GitHub holds the receipts of ${most} at most`,
    "Put some of the models into a series file of another repository.",
  );
}
