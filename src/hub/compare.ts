import type { TreeFile } from "./answers.ts";
import type { HashedFile } from "./folder.ts";

/** A branch, main as a rule: its head and its files. */
export interface Main {
  readonly head: string;
  readonly tree: ReadonlyMap<string, TreeFile>;
}

/** What main should have. */
export interface WantedFiles {
  readonly files: readonly HashedFile[];
  /** Paths of others, with any content. */
  readonly keep: readonly string[];
}

/**
 * Describes the first file of main that differs from what is wanted, is missing or does not belong
 * there; null if there is none.
 */
export function firstDifference(main: Main, { files, keep }: WantedFiles): string | null {
  for (const file of files) {
    const remote = main.tree.get(file.path);
    if (isSameFile(remote, file)) continue;
    const is = remote
      ? `${remote.size} bytes, ${remote.sha256 ? `sha256 ${remote.sha256}` : `blob ${remote.oid}`}`
      : "missing";
    const expected = `${file.size} bytes, sha256 ${file.sha256} (blob ${file.oid ?? "none"})`;
    return `${file.path} is ${is}; expected ${expected}`;
  }
  const ours = new Set([...files.map((file) => file.path), ...keep, ".gitattributes"]);
  const extra = [...main.tree.keys()].find((path) => !ours.has(path));
  return extra === undefined ? null : `${extra} is not ours`;
}

/** Whether main has exactly what is wanted. `.gitattributes` belongs to the Hub. */
export function isSame(main: Main, wanted: WantedFiles): boolean {
  return firstDifference(main, wanted) === null;
}

/** Compares size, and SHA-256 for large files or the blob id for files in git. */
export function isSameFile(remote: TreeFile | undefined, local: HashedFile): boolean {
  if (remote === undefined || remote.size !== local.size) return false;
  return remote.sha256 === null ? remote.oid === local.oid : remote.sha256 === local.sha256;
}

/** Whether main is as the Hub creates it: nothing but `.gitattributes`. */
export function isBlank(main: Main): boolean {
  return [...main.tree.keys()].every((path) => path === ".gitattributes");
}
