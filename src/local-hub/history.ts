import { createHash } from "node:crypto";
import * as v from "valibot";
import {
  count,
  entries,
  flag,
  line,
  list,
  matching,
  object,
  parse,
  readJson,
  sha256,
} from "../ground/schema.ts";

/** SHA-1 of a commit or a blob. */
export const gitId = matching(/^[0-9a-f]{40}$/, "40 hexadecimal digits");

/** One file of a commit. Its bytes are in the repository's objects under `sha256`, LFS or not. */
const fileEntry = object({
  sha256,
  /** Bytes. */
  size: count,
  /**
   * Git's blob id: of the content, or of the pointer for LFS files. The Hub calls it `oid` in
   * listings.
   */
  blob: gitId,
  lfs: flag,
});
export type FileEntry = v.InferOutput<typeof fileEntry>;

/** Files by path, in path order. */
export type Tree = ReadonlyMap<string, FileEntry>;

/** A commit as its file holds it. */
const storedCommit = object({
  id: gitId,
  /** First parent first; empty for a root commit. */
  parents: list(gitId),
  title: v.string("text"),
  message: v.string("text"),
  author: line,
  /** Distance from the root along first parents, in place of a clock. */
  depth: count,
  tree: entries(line, fileEntry),
});

export interface Commit extends Omit<v.InferOutput<typeof storedCommit>, "tree"> {
  readonly tree: Tree;
}

export function sha256Of(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function gitBlobId(bytes: Uint8Array): string {
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}

/** The text that git holds in place of an LFS file (git-lfs specification v1). */
export function lfsPointer(oid: string, size: number): string {
  return `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${size}\n`;
}

export function lfsEntry(oid: string, size: number): FileEntry {
  return { sha256: oid, size, blob: gitBlobId(Buffer.from(lfsPointer(oid, size))), lfs: true };
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

/**
 * A commit whose id depends on parents, title, message and files only: the same pushes give the
 * same history.
 */
export function makeCommit(
  parents: readonly Commit[],
  tree: Tree,
  { title, message = "", author }: { title: string; message?: string; author: string },
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

/**
 * The date of a commit: a fixed day plus a second per commit, so that nothing depends on the clock.
 */
export function dateOf(commit: Commit): string {
  return new Date(Date.UTC(2024, 0, 1) + commit.depth * 1000).toISOString();
}

export function encodeCommit(commit: Commit): string {
  return `${JSON.stringify({ ...commit, tree: Object.fromEntries(commit.tree) }, null, 1)}\n`;
}

/** Throws DISK, naming the field, for a file that is not a commit. */
export function decodeCommit(text: string, where: string): Commit {
  const file = storedFile(where);
  const { tree, ...commit } = parse(storedCommit, readJson(text, file), file);
  return { ...commit, tree: sortTree(Object.entries(tree)) };
}

/** A file of the store, for error messages. */
export function storedFile(where: string) {
  const hint =
    "Stop the Hub, then delete the repository's folder below .hub, or use another folder.";
  return { where, code: "DISK", hint } as const;
}
