import type { TreeFile } from "./answers.ts";
import type { LocalFile } from "./folder.ts";

/** Main as listed. */
export interface Main {
  readonly head: string;
  readonly tree: ReadonlyMap<string, TreeFile>;
}

/** In words, the first file of main that is not what the folder holds, one too few or one too many; null where there is none. */
export function firstDifference(main: Main, files: readonly LocalFile[]): string | null {
  for (const file of files) {
    const remote = main.tree.get(file.path);
    if (isSameFile(remote, file)) continue;
    const is = remote
      ? `${remote.size} bytes, ${remote.sha256 ? `sha256 ${remote.sha256}` : `blob ${remote.oid}`}`
      : "missing";
    return `${file.path} is ${is}; expected ${file.size} bytes, sha256 ${file.sha256} (blob ${file.oid ?? "none"})`;
  }
  const ours = new Set(files.map((file) => file.path)).add(".gitattributes");
  const extra = [...main.tree.keys()].find((path) => !ours.has(path));
  return extra === undefined ? null : `${extra} is not ours`;
}

/** Whether main holds exactly these files. `.gitattributes` is the Hub's own. */
export function isSame(main: Main, files: readonly LocalFile[]): boolean {
  return firstDifference(main, files) === null;
}

/** Size, and SHA-256 of a large file or the blob id of one that git holds. */
export function isSameFile(remote: TreeFile | undefined, local: LocalFile): boolean {
  if (remote === undefined || remote.size !== local.size) return false;
  return remote.sha256 === null ? remote.oid === local.oid : remote.sha256 === local.sha256;
}

/** A repo as the Hub makes it: nothing but its own `.gitattributes`. */
export function isBlank(main: Main): boolean {
  return [...main.tree.keys()].every((path) => path === ".gitattributes");
}
