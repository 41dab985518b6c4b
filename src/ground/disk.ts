import { mkdir, stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { OqeError } from "./errors.ts";
import { reasonOf } from "./reasons.ts";

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
 * Creates a folder and those above it; one that exists is left alone. Node's own `recursive` never
 * ends where the system says ENOENT below a folder that exists, as in /proc.
 */
export async function makeFolder(path: string): Promise<void> {
  const make = () =>
    mkdir(path).catch(async (error: NodeJS.ErrnoException) => {
      const found = await stat(path).catch(() => null);
      if (found === null || !found.isDirectory()) throw error;
    });
  await make().catch(async (error: NodeJS.ErrnoException) => {
    const above = dirname(path);
    if (error.code !== "ENOENT" || above === path) throw error;
    await makeFolder(above);
    await make();
  });
}

/** Throws DISK, before work starts, if `needed` bytes do not fit. */
export async function requireDiskSpace(folder: string, needed: number): Promise<void> {
  const free = await freeBytes(folder);
  if (free !== null && needed > free) throw tooSmall(folder, needed, free);
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
  const hint = "Choose a folder that exists and that this user may write to.";
  return new OqeError("DISK", `${folder} cannot be used: ${reasonOf(cause)}`, hint, cause);
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
