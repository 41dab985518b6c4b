import { isDeepStrictEqual } from "node:util";
import { namePictures } from "../card/pictures.ts";
import type { RemoteState } from "../hub/hub-types.ts";
import { sumsPath } from "../hub/sums.ts";
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
  const made = recipeOf(published);
  const same = isDeepStrictEqual(draftOf(made), JSON.parse(JSON.stringify(draftOf(recipe))));
  return recipe.base.id !== null && same && findOddFile(published, remote) === null;
}

/**
 * The first file of main that is not as the receipt and SHA256SUMS list it: it is missing, has
 * another hash, or is a weight of others. null: there is none.
 */
export function findOddFile(
  published: Receipt,
  { files, sums }: Pick<RemoteState, "files" | "sums">,
): string | null {
  const shown = ["README.md", ...namePictures(published).map(({ path }) => path)];
  const missing = shown.find((path) => !files.has(path));
  if (missing !== undefined) return missing;
  const mayBe = (path: string) =>
    Object.hasOwn(published.files, path) || !path.endsWith(".safetensors");
  const foreign = [...files.keys()].find((path) => !mayBe(path));
  if (foreign !== undefined) return foreign;
  if (sums === null) return sumsPath;
  const listed = Object.entries(published.files).map(
    ([path, { sha256 }]) => [path, sha256] as const,
  );
  const odd = [...sums, ...listed].find(([path, sha256]) => files.get(path)?.sha256 !== sha256);
  return odd?.[0] ?? null;
}
