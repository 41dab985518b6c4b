import { pictureFilePaths } from "../card/picture-files.ts";
import { OqeError } from "../ground/errors.ts";
import type { RemoteState } from "../hub/hub-types.ts";
import { printable } from "../hub/names.ts";
import { sumsPath } from "../hub/sums.ts";
import { receiptPath } from "../receipt/receipt.ts";

/** What others did on main of a repository of ours, by path. */
export interface ForeignWork {
  /** Files of others that can stay. */
  readonly kept: readonly string[];
  /** Files of ours that others changed, and files of others where ours would be. */
  readonly refused: readonly string[];
}

/** Files that every tier has, beside its shards and the files of its base. */
const written = new Set([
  ...["README.md", receiptPath, "config.json", "model.safetensors.index.json"],
  ...pictureFilePaths,
]);

/**
 * Compares main with what SHA256SUMS on main lists, which is what the last run left there. A listed
 * file that is missing is no work of others that could be lost. Weights of others cannot stay: MLX
 * loads all that it finds.
 */
export function findForeignWork(
  { files, sums }: Pick<RemoteState, "files" | "sums">,
  baseFiles: ReadonlyMap<string, unknown>,
): ForeignWork {
  const [kept, refused]: [string[], string[]] = [[], []];
  for (const [path, { sha256 }] of files) {
    if (path === ".gitattributes" || path === sumsPath) continue;
    const listed = sums?.get(path);
    if (listed === undefined) {
      const isInTheWay = path.endsWith(".safetensors") || written.has(path) || baseFiles.has(path);
      (isInTheWay ? refused : kept).push(path);
    } else if (sha256 !== listed) refused.push(path);
  }
  return { kept, refused };
}

/** Throws NOT_OURS, naming the files, for work of others that a publication would replace. */
export function refuseForeignWork(
  repository: string,
  { sums }: Pick<RemoteState, "sums">,
  { refused }: ForeignWork,
): void {
  const hint = "Keep what you need of it elsewhere, then set overwrite to replace it.";
  if (sums === null) {
    const what = `${repository} has no ${sumsPath} as oqe-publisher writes it, so what others`;
    throw new OqeError("NOT_OURS", `${what} changed there cannot be told from our files`, hint);
  }
  if (refused.length === 0) return;
  const what = "has files that are not as oqe-publisher left them";
  throw new OqeError("NOT_OURS", `${repository} ${what}: ${listPaths(refused)}`, hint);
}

/** Most paths that a message names. */
const mostNamed = 10;

export function listPaths(paths: readonly string[]): string {
  const named = paths.slice(0, mostNamed).map((path) => printable(path, 80));
  const more = paths.length - named.length;
  return named.join(", ") + (more > 0 ? ` and ${more} more` : "");
}
