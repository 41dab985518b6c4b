import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { receiptPath } from "./card/receipt.ts";
import { diskError } from "./checkpoint/disk.ts";
import { OqeError } from "./errors.ts";

/**
 * Builds folders aside (`.<name>.partial` beside each place) and puts each in place by one rename when `fill` is done.
 * Whatever happens, a place holds the old folder or the whole new one; on failure the partial folders are removed.
 */
export async function buildAside<T>(
  places: readonly string[],
  fill: (folders: readonly string[]) => Promise<T>,
): Promise<T> {
  const partials = places.map((place) => join(dirname(place), `.${basename(place)}.partial`));
  try {
    for (const partial of partials) {
      await onDisk(dirname(partial), 0, async () => {
        await rm(partial, { recursive: true, force: true });
        await mkdir(partial, { recursive: true });
      });
    }
    const value = await fill(partials);
    for (const [i, place] of places.entries()) await onDisk(place, 0, () => replaceFolder(partials[i]!, place));
    return value;
  } finally {
    await Promise.allSettled(partials.map((partial) => rm(partial, { recursive: true, force: true })));
  }
}

/** Puts `made` in the place of a folder that may exist; the old one is out of the way before and removed after. */
async function replaceFolder(made: string, place: string): Promise<void> {
  const old = join(dirname(place), `.${basename(place)}.old`);
  await rm(old, { recursive: true, force: true });
  await rename(place, old).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
  await rename(made, place);
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
