import { createHash } from "node:crypto";

/** One file of a commit. Its bytes lie among the repo's objects under `sha256`, LFS or not. */
export interface FileEntry {
  readonly sha256: string;
  readonly size: number;
  /** Git's blob id: of the content, or of the pointer for LFS files. What the Hub calls `oid` in listings. */
  readonly blob: string;
  readonly lfs: boolean;
}

/** Files by path, in path order. */
export type Tree = ReadonlyMap<string, FileEntry>;

export interface Commit {
  readonly id: string;
  /** First parent first; empty for a root commit. */
  readonly parents: readonly string[];
  readonly title: string;
  readonly message: string;
  readonly author: string;
  /** Distance from the root along first parents; stands in for a clock. */
  readonly depth: number;
  readonly tree: Tree;
}

export function sha256Of(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export function gitBlobId(bytes: Uint8Array): string {
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}

/** The text that git holds in place of an LFS file (git-lfs specification v1). */
export function lfsPointer(sha256: string, size: number): string {
  return `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${size}\n`;
}

export function lfsEntry(sha256: string, size: number): FileEntry {
  return { sha256, size, blob: gitBlobId(Buffer.from(lfsPointer(sha256, size))), lfs: true };
}

export function regularEntry(bytes: Uint8Array): FileEntry {
  return { sha256: sha256Of(bytes), size: bytes.length, blob: gitBlobId(bytes), lfs: false };
}

export function sortTree(files: Iterable<readonly [string, FileEntry]>): Tree {
  return new Map([...files].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}

export function sameTree(a: Tree, b: Tree): boolean {
  return a.size === b.size && [...a].every(([path, entry]) => b.get(path)?.blob === entry.blob);
}

/** A commit whose id follows from its parents, message and files alone: the same pushes give the same history. */
export function makeCommit(
  parents: readonly Commit[],
  tree: Tree,
  title: string,
  message: string,
  author: string,
): Commit {
  const files = [...tree].map(([path, entry]) => [path, entry.sha256, entry.size, entry.lfs]);
  const content = JSON.stringify([parents.map((parent) => parent.id), title, message, files]);
  return {
    id: createHash("sha1").update(content).digest("hex"),
    parents: parents.map((parent) => parent.id),
    title,
    message,
    author,
    depth: parents.length === 0 ? 0 : parents[0]!.depth + 1,
    tree,
  };
}

/** A date for clients that want one: a second per commit after a fixed day, so that nothing depends on the clock. */
export function dateOf(commit: Commit): string {
  return new Date(Date.UTC(2024, 0, 1) + commit.depth * 1000).toISOString();
}

export function encodeCommit(commit: Commit): string {
  return `${JSON.stringify({ ...commit, tree: Object.fromEntries(commit.tree) }, null, 1)}\n`;
}

export function decodeCommit(text: string): Commit {
  const raw = JSON.parse(text) as Omit<Commit, "tree"> & { tree: Record<string, FileEntry> };
  return { ...raw, tree: sortTree(Object.entries(raw.tree)) };
}
