import { randomUUID } from "node:crypto";
import {
  copyFile,
  link,
  lstat,
  mkdir,
  readdir,
  realpath,
  rename,
  rm,
  rmdir,
  stat,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import type { FileEntry, Tree } from "./history.ts";
import { pathProblem } from "./names.ts";
import type { Objects } from "./objects.ts";

/** Files and folders that are not part of an import. */
const ignored = new Set([".git", ".DS_Store", ".cache"]);

/** A readable folder, and where its files come from. */
export interface Checkout {
  readonly folder: string;
  readonly objects: Objects;
  /** For files before they are renamed; on the same file system. */
  readonly aside: string;
}

/**
 * Changes the readable folder from `previous` to `next`. If `previous` is null (unknown), every
 * file is written. LFS files are hard links to their objects if the file system allows it. Others
 * are copies, so that a person may edit them.
 */
export async function checkout(to: Checkout, previous: Tree | null, next: Tree): Promise<void> {
  await mkdir(to.folder, { recursive: true });
  await mkdir(to.aside, { recursive: true });
  for (const path of previous?.keys() ?? []) {
    if (!next.has(path)) await removeFile(to.folder, path);
  }
  for (const [path, entry] of next) {
    if (previous?.get(path)?.sha256 === entry.sha256) continue;
    await placeFile(to, path, entry);
  }
}

async function removeFile(folder: string, path: string): Promise<void> {
  await rm(join(folder, path), { force: true });
  for (let parent = dirname(path); parent !== "."; parent = dirname(parent)) {
    const emptied = await rmdir(join(folder, parent)).then(
      () => true,
      () => false,
    );
    if (!emptied) return;
  }
}

async function placeFile({ folder, objects, aside }: Checkout, path: string, entry: FileEntry) {
  await ensureRealFolders(folder, dirname(path));
  const source = objects.path(entry.sha256);
  const staged = join(aside, randomUUID());
  await (entry.lfs
    ? link(source, staged).catch(() => copyFile(source, staged))
    : copyFile(source, staged));
  const target = join(folder, path);
  const there = await lstat(target).catch(() => null);
  if (there?.isDirectory()) await rm(target, { recursive: true });
  await rename(staged, target);
  // Renaming onto another link of the same file does nothing and leaves the staged name behind.
  await rm(staged, { force: true });
}

/**
 * Replaces links and files on the path by folders: a symbolic link would let the path leave the
 * folder.
 */
async function ensureRealFolders(folder: string, path: string): Promise<void> {
  if (path === ".") return;
  await ensureRealFolders(folder, dirname(path));
  const full = join(folder, path);
  const there = await lstat(full).catch(() => null);
  if (there?.isDirectory()) return;
  if (there) await rm(full);
  await mkdir(full);
}

/**
 * Files of a folder that can be committed: regular files and links to such. Paths have `/`, sorted.
 */
export async function filesBelow(folder: string): Promise<string[]> {
  const found: string[] = [];
  async function walk(path: string): Promise<void> {
    for (const item of await readdir(join(folder, path), { withFileTypes: true })) {
      if (ignored.has(item.name)) continue;
      const inner = path === "" ? item.name : `${path}/${item.name}`;
      if (item.isDirectory()) {
        await walk(inner);
        continue;
      }
      const target = await stat(join(folder, inner)).catch(() => null);
      if (target?.isFile() && pathProblem(inner) === null) found.push(inner);
    }
  }
  await walk("");
  return found.sort();
}

/** The target of a symbolic link, so that a hard link to it does not link the link. */
export async function realFile(path: string): Promise<string> {
  return realpath(path);
}
