import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { diskError } from "../ground/disk.ts";
import { OqeError } from "../ground/errors.ts";
import { receiptPath } from "../receipt/receipt.ts";

/**
 * Builds folders aside (`.<name>.<process>.partial` beside each place) and puts each in place by renaming when `fill` is done.
 * A place holds the old folder or the whole new one, never a part; on failure the partial folders are removed. Two runs at
 * once do not see each other's partial folders: the last one's folder stays.
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
        await mkdir(partial, { recursive: true });
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

/** Clears up after runs that were killed: what they half built goes, what they had moved out of the way comes back. */
async function tidy(place: string): Promise<void> {
  await rename(beside(place, "old"), place).catch(() => {}); // fails where the place is taken, or nothing was moved
  const names = await readdir(dirname(place)).catch(() => []);
  for (const name of names) {
    const [, pid] = /^\.(?:.+)\.(\d+)\.partial$/.exec(name) ?? [];
    const ofThisPlace = name.startsWith(`.${basename(place)}.`);
    if (pid !== undefined && ofThisPlace && !isRunning(Number(pid))) {
      await rm(join(dirname(place), name), { recursive: true, force: true });
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // somebody else's process
  }
}

/** Puts `made` in the place of a folder that may exist. Between two renames the place is empty for a moment. */
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

/** Throws NOT_OURS when `place` holds something that no run of ours wrote. */
export async function refuseForeignFolder(place: string, overwrite: boolean): Promise<void> {
  const found = await stat(place).catch(() => null);
  if (found === null || overwrite) return;
  const names = found.isDirectory() ? await readdir(place) : [basename(place)];
  if (names.length > 0 && !names.includes(receiptPath)) {
    throw new OqeError(
      "NOT_OURS",
      `${place} exists and holds no ${receiptPath}, so it is not a folder that this program wrote`,
      "Choose another folder, or say overwrite to replace it.",
    );
  }
}

/** Runs a file operation below `folder`; what the disk refuses becomes a DISK error that names it. `needed`: bytes to write. */
export async function onDisk<T>(folder: string, needed: number, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    throw await diskError(cause, folder, needed);
  }
}
