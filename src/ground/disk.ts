import { statfs } from "node:fs/promises";
import { OqeError } from "./errors.ts";
import { reasonOf } from "./reasons.ts";

const noRoom = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/** Bytes that we may still write below `folder`; null where the file system does not say. */
export async function freeBytes(folder: string): Promise<number | null> {
  const status = await statfs(folder).catch(() => null);
  return status === null || status.blocks === 0 ? null : status.bavail * status.bsize;
}

/** Throws DISK before work starts where `needed` bytes cannot fit. */
export async function requireRoom(folder: string, needed: number): Promise<void> {
  const free = await freeBytes(folder);
  if (free !== null && needed > free) throw tooSmall(folder, needed, free);
}

/** A failed file operation below `folder` as an error for people: DISK for what the system refused, all else unchanged. */
export async function diskError(cause: unknown, folder: string, needed: number): Promise<unknown> {
  const code = (cause as NodeJS.ErrnoException | null)?.code;
  if (cause instanceof OqeError || typeof code !== "string" || !/^E[A-Z0-9]+$/.test(code))
    return cause;
  if (noRoom.has(code)) return tooSmall(folder, needed, await freeBytes(folder), cause);
  const hint = "Choose a folder that exists and that this user may write to.";
  return new OqeError("DISK", `${folder} cannot be used: ${reasonOf(cause)}`, hint, cause);
}

function tooSmall(folder: string, needed: number, free: number | null, cause?: unknown): OqeError {
  const room = free === null ? "an unknown number of" : free;
  const limit =
    (cause as NodeJS.ErrnoException | undefined)?.code === "EFBIG"
      ? " (and a limit on file sizes applies)"
      : "";
  return new OqeError(
    "DISK",
    `no room in ${folder}: ${needed} bytes are needed, ${room} are free${limit}`,
    "Free some space, or choose another work or output folder.",
    cause,
  );
}
