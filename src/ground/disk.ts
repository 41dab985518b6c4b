import { Stats } from "node:fs";
import {
  lstat,
  mkdir,
  mkdtemp,
  open,
  readlink,
  rename,
  rm,
  rmdir,
  stat,
  statfs,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { OqeError } from "./errors.ts";
import { codeOf, reasonOf } from "./reasons.ts";

const full = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/**
 * Free bytes below `folder`, or below the folder that it would be made in, for this user; null: the
 * file system does not say.
 */
export async function freeBytes(folder: string): Promise<number | null> {
  const status = await statfs(folder).catch(() => null);
  if (status === null && dirname(folder) !== folder) return freeBytes(dirname(folder));
  return status === null || status.blocks === 0 ? null : status.bavail * status.bsize;
}

/**
 * Creates a folder and those above it; one that exists is left alone. Throws DISK with the reason
 * if it cannot be made. Node's own `recursive` never ends where the system says ENOENT below a
 * folder that exists, as in /proc, and says EEXIST of a link to nothing.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (cause) {
    const found = await stat(path).catch((error: unknown) => error);
    if (found instanceof Stats && found.isDirectory()) return;
    if (codeOf(cause) === "EEXIST") throw await inTheWay(path, found);
    const above = dirname(path);
    if (codeOf(cause) !== "ENOENT" || above === path) throw await diskError(cause, path, 0);
    if ((await stat(above).catch(() => null))?.isDirectory() === true)
      throw unusable(path, `the system makes no folders in ${above}`, cause);
    await makeFolder(above);
    await makeFolder(path);
  }
}

/** Of a folder and those above it: the ones that do not exist, the lowest first. */
export async function absentFolders(path: string): Promise<readonly string[]> {
  const found = await lstat(path).catch((error: unknown) => error);
  if (codeOf(found) !== "ENOENT") return [];
  return [path, ...(await absentFolders(dirname(path)))];
}

/** Removes folders, the lowest first, up to one that holds something. */
export async function removeEmpty(folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    const isRemoved = await rmdir(folder).then(
      () => true,
      (error: unknown) => codeOf(error) === "ENOENT",
    );
    if (!isRemoved) return;
  }
}

/** What is at a path where a folder should be made. `found`: its status, or why it has none. */
async function inTheWay(path: string, found: unknown): Promise<OqeError> {
  if (found instanceof Stats) return unusable(path, "it is a file, not a folder");
  const target = await readlink(path).catch(() => null);
  if (target === null || codeOf(found) !== "ENOENT") return unusable(path, reasonOf(found), found);
  return unusable(path, `it is a symbolic link to ${target}, which does not exist`, found);
}

/**
 * Tries what a run will do in `folder`, so that a run that cannot do it ends before any work: makes
 * the folder, then creates, writes and renames a file in it. Throws DISK.
 */
export async function tryFolder(folder: string): Promise<void> {
  await onDisk(folder, 1, async () => {
    await makeFolder(folder);
    const own = await mkdtemp(join(folder, ".oqe-try-"));
    try {
      await writeFile(join(own, "written"), "?");
      await rename(join(own, "written"), join(own, "renamed"));
    } finally {
      await rm(own, { recursive: true, force: true }).catch(() => {});
    }
  });
}

/** The same for one file that a run will write at its end. A file that exists is not changed. */
export async function tryFile(path: string): Promise<void> {
  await onDisk(path, 1, async () => {
    const isNew = (await lstat(path).catch(() => null)) === null;
    await (await open(path, "a")).close();
    if (isNew) await rm(path);
  });
}

/** Bytes that will be written below a folder, which need not exist yet. */
export interface DiskNeed {
  readonly folder: string;
  readonly bytes: number;
}

/**
 * Throws DISK, before work starts, if something does not fit. Folders of one file system share its
 * free bytes.
 */
export async function requireRoom(needs: readonly DiskNeed[]): Promise<void> {
  const disks = new Map<number | string, DiskNeed>();
  for (const { folder, bytes } of needs) {
    const disk = await diskOf(folder);
    disks.set(disk, { folder, bytes: bytes + (disks.get(disk)?.bytes ?? 0) });
  }
  for (const { folder, bytes } of disks.values()) {
    const free = await freeBytes(folder);
    if (free !== null && bytes > free) throw tooSmall(folder, bytes, free);
  }
}

/** What names the file system below `folder`, or below the folder that it would be made in. */
async function diskOf(folder: string): Promise<number | string> {
  const status = await stat(folder).catch(() => null);
  if (status !== null) return status.dev;
  return dirname(folder) === folder ? folder : diskOf(dirname(folder));
}

/**
 * Runs a file operation below `folder` that writes `needed` bytes. Throws DISK if the disk fails.
 */
export async function onDisk<T>(folder: string, needed: number, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    throw await diskError(cause, folder, needed);
  }
}

/**
 * The error of a failed file operation below `folder`: DISK if the system refused it, otherwise the
 * cause unchanged. `needed`: bytes to write.
 */
export async function diskError(cause: unknown, folder: string, needed: number): Promise<unknown> {
  const code = (cause as NodeJS.ErrnoException | null)?.code;
  if (cause instanceof OqeError || typeof code !== "string" || !/^E[A-Z0-9]+$/.test(code))
    return cause;
  if (full.has(code)) return tooSmall(folder, needed, await freeBytes(folder), cause);
  return unusable(folder, reasonOf(cause), cause);
}

function unusable(path: string, reason: string, cause?: unknown): OqeError {
  const hint = "Choose a folder that exists and that this user may write to.";
  return new OqeError("DISK", `${path} cannot be used: ${reason}`, hint, cause);
}

function tooSmall(folder: string, needed: number, free: number | null, cause?: unknown): OqeError {
  const available = free === null ? "an unknown number of" : free;
  const limit =
    (cause as NodeJS.ErrnoException | undefined)?.code === "EFBIG"
      ? " (and file sizes are limited)"
      : "";
  return new OqeError(
    "DISK",
    `not enough disk space in ${folder}: ${needed} bytes are needed, ${available} are free${limit}`,
    "Free disk space, or choose another work or output folder.",
    cause,
  );
}
