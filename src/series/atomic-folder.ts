import { readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { diskError, makeFolder } from "../ground/disk.ts";
import { OqeError } from "../ground/errors.ts";
import { codeOf } from "../ground/reasons.ts";
import { receiptPath } from "../receipt/receipt.ts";

/**
 * Builds folders aside (`.<name>.<process>.partial` beside each place), and renames each to its
 * place once `fill` is done. A place has the old folder or the whole new one, never a part. A
 * failure removes the partial folders. Two runs at once have their own partial folders; the last
 * one wins.
 */
export async function buildAside<T>(
  places: readonly string[],
  fill: (folders: readonly string[]) => Promise<T>,
): Promise<T> {
  const partials = places.map((place) => beside(place, `${process.pid}.partial`));
  try {
    for (const [i, partial] of partials.entries()) {
      await onDisk(dirname(partial), 0, async () => {
        await tidy(places[i]!);
        await rm(partial, { recursive: true, force: true });
        await makeFolder(partial);
      });
    }
    const value = await fill(partials);
    for (const [i, place] of places.entries())
      await onDisk(place, 0, () => replaceFolder(partials[i]!, place));
    return value;
  } finally {
    await Promise.allSettled(
      partials.map((partial) => rm(partial, { recursive: true, force: true })),
    );
  }
}

function beside(place: string, suffix: string): string {
  return join(dirname(place), `.${basename(place)}.${suffix}`);
}

/** Cleans up after killed runs: removes their partial folders, and restores a folder moved away. */
async function tidy(place: string): Promise<void> {
  await rename(beside(place, "old"), place).catch(() => {}); // fails if nothing was moved
  const names = await readdir(dirname(place)).catch(() => []);
  for (const name of names) {
    const [, pid] = /^\.(?:.+)\.(\d+)\.partial$/.exec(name) ?? [];
    const ofThisPlace = name.startsWith(`.${basename(place)}.`);
    if (pid !== undefined && ofThisPlace && !(await isRunning(Number(pid)))) {
      await rm(join(dirname(place), name), { recursive: true, force: true });
    }
  }
}

/** Whether a process exists and has not ended. */
export async function isRunning(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === "EPERM"; // another user's process
  }
  // A zombie has ended, but its parent (in some containers) never asks how.
  const status = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return !/\) [ZX] /.test(status);
}

/** Puts `made` in the place of a folder that may exist. The place is empty between two renames. */
async function replaceFolder(made: string, place: string): Promise<void> {
  const old = beside(place, "old");
  await rm(old, { recursive: true, force: true });
  await rename(place, old).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
  await rename(made, place).catch(async (error) => {
    await rename(old, place).catch(() => {});
    throw error;
  });
  await rm(old, { recursive: true, force: true });
}

/** Throws NOT_OURS if `place` has something that oqe-publisher did not write. */
export async function refuseForeignFolder(place: string, overwrite: boolean): Promise<void> {
  const found = await stat(place).catch(() => null);
  if (found === null || overwrite) return;
  const names = found.isDirectory() ? await readdir(place) : [basename(place)];
  if (names.length > 0 && !names.includes(receiptPath)) {
    throw new OqeError(
      "NOT_OURS",
      `${place} exists and has no ${receiptPath}, so oqe-publisher did not write it`,
      "Choose another folder, or set overwrite to replace it.",
    );
  }
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
