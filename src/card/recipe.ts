import { isDeepStrictEqual } from "node:util";
import type { RemoteState } from "../hub/hub-types.ts";
import type { Receipt } from "./receipt.ts";

/** The part of a receipt that is known before any weight is read. The same recipe gives the same files. */
export type Recipe = Omit<Receipt, "files" | "weightError">;

/** Completes a recipe with what the run measured. */
export function completeReceipt(recipe: Recipe, measured: Pick<Receipt, "files" | "weightError">): Receipt {
  return { ...recipe, ...measured };
}

/**
 * Whether a repo's main holds just what this recipe would give, so that nothing needs doing: same recipe on its receipt,
 * every file of the receipt there with its size and, where the Hub tells it, its SHA-256, a card, and no weights beside
 * them (mlx-lm loads all it finds). A base folder has no commit that could vouch for its weights, so it is never current.
 */
export function isCurrent(recipe: Recipe, published: Receipt, remote: RemoteState): boolean {
  const { files, weightError: _, ...made } = published;
  if (recipe.base.id === null || !isDeepStrictEqual(made, JSON.parse(JSON.stringify(recipe)))) return false;
  const mayBe = (path: string) => Object.hasOwn(files, path) || !path.endsWith(".safetensors");
  if (!remote.files.has("README.md") || ![...remote.files.keys()].every(mayBe)) return false;
  return Object.entries(files).every(([path, expected]) => {
    const found = remote.files.get(path);
    return found?.size === expected.bytes && (found.sha256 === null || found.sha256 === expected.sha256);
  });
}
