import { isDeepStrictEqual } from "node:util";
import { namePictures } from "../card/pictures.ts";
import type { RemoteState } from "../hub/hub-types.ts";
import type { Receipt } from "../receipt/receipt.ts";
import { type Draft, draftOf, recipeOf } from "../receipt/recipe.ts";

/**
 * Whether a repository's main already has what this recipe gives. Its receipt has the same draft.
 * Every file of the receipt and of SHA256SUMS is there with its SHA-256. Card and pictures are
 * there, and no other weights (mlx-lm loads all it finds). A base folder has no commit that pins
 * its weights, so a tier of it is never current.
 */
export function isCurrent(
  recipe: Draft,
  published: Receipt,
  remote: Pick<RemoteState, "files" | "sums">,
): boolean {
  const { files } = published;
  const made = recipeOf(published);
  const same = isDeepStrictEqual(draftOf(made), JSON.parse(JSON.stringify(draftOf(recipe))));
  if (recipe.base.id === null || !same) return false;
  const mayBe = (path: string) => Object.hasOwn(files, path) || !path.endsWith(".safetensors");
  const shown = ["README.md", ...namePictures(published).map(({ path }) => path)];
  if (!shown.every((path) => remote.files.has(path)) || ![...remote.files.keys()].every(mayBe))
    return false;
  const has = (path: string, sha256: string) => remote.files.get(path)?.sha256 === sha256;
  return (
    remote.sums !== null &&
    [...remote.sums].every(([path, sha256]) => has(path, sha256)) &&
    Object.entries(files).every(([path, { sha256 }]) => has(path, sha256))
  );
}
