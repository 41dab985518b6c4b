import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { digestOf, draftDigestOf, recipeOf } from "../receipt/recipe.ts";
import { readReceipt } from "./read-receipt.ts";
import type { TierRun } from "./recipes.ts";

/** Bytes of a block of `stat`, on every system. */
const blockBytes = 512;

/**
 * Bytes on the disk that a run needs no room for, because it goes on with them: finished parts of
 * an earlier run, or a finished folder that was not published. Files of parts have their full size
 * from the start, so what counts is what the disk has given them. Before the plan is known, of the
 * works on a tier the largest counts.
 */
export async function keptBytes(runs: readonly TierRun[], isPlanned: boolean): Promise<number> {
  let sum = 0;
  for (const run of runs) {
    const { bytes } = run.recipe.plan;
    const kept = (await isFinished(run, isPlanned)) ? bytes : await partBytes(run, isPlanned);
    sum += Math.min(bytes, kept);
  }
  return sum;
}

async function isFinished({ place, recipe }: TierRun, isPlanned: boolean): Promise<boolean> {
  const receipt = await readReceipt(place).catch(() => null);
  if (receipt === null) return false;
  return isPlanned
    ? digestOf(recipeOf(receipt)) === digestOf(recipe)
    : draftDigestOf(recipeOf(receipt)) === draftDigestOf(recipe);
}

/** Of the works on a tier that are kept for the next run (buildAside). */
async function partBytes({ place, recipe }: TierRun, isPlanned: boolean): Promise<number> {
  const parent = dirname(place);
  const prefix = `.${basename(place)}.`;
  const own = isPlanned ? `${digestOf(recipe)}.partial` : null;
  let most = 0;
  for (const name of await readdir(parent).catch(() => [])) {
    const work = name.startsWith(prefix) ? name.slice(prefix.length) : "";
    if (own === null ? /^[0-9a-f]{16}\.partial$/.test(work) : work === own)
      most = Math.max(most, await allocated(join(parent, name, "files")));
  }
  return most;
}

async function allocated(folder: string): Promise<number> {
  let sum = 0;
  for (const name of await readdir(folder).catch(() => [])) {
    const { blocks = 0 } = (await stat(join(folder, name)).catch(() => null)) ?? {};
    sum += blockBytes * blocks;
  }
  return sum;
}
