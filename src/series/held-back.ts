import { readText } from "../checkpoint/repository.ts";
import type { Branch } from "../hub/hub-types.ts";
import { parseReceipt } from "../receipt/receipt-file.ts";
import { draftDigestOf, recipeOf } from "../receipt/recipe.ts";
import { compareWithPublished } from "./kept-better.ts";
import type { TierDraft } from "./recipes.ts";
import { receiptFile } from "./staged-records.ts";

/**
 * Whether a run made just this tier already, and left it on its staging branch because the
 * published one is better beyond its error. A run that nobody watches need not make it again.
 */
export async function isHeldBack(
  { files, content }: Branch,
  { recipe }: TierDraft,
  published: string | null,
): Promise<boolean> {
  if (!files.has(receiptFile)) return false;
  try {
    const made = parseReceipt(await readText(content, receiptFile), receiptFile);
    if (draftDigestOf(recipeOf(made)) !== draftDigestOf(recipe)) return false;
    return compareWithPublished(made, published)?.isWorse === true;
  } catch {
    return false; // it is made again
  }
}
