import type { Stats } from "node:fs";
import { lstat, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { diskError, makeFolder, onDisk } from "../ground/disk.ts";
import { OqeError } from "../ground/errors.ts";
import { codeOf } from "../ground/reasons.ts";
import { receiptPath } from "../receipt/receipt.ts";
import { journalOf } from "./part-journal.ts";
import {
  openRunFolder,
  type RunFolder,
  type RunFolderName,
  removeAbandoned,
} from "./run-folder.ts";

/** A folder to be built. */
export interface Build {
  readonly place: string;
  /**
   * Names the work on it, so that the next run with the same name goes on where this one stopped.
   * null: nothing is kept for the next run.
   */
  readonly work: string | null;
}

/**
 * Builds folders aside (in `.<name>.<work>.partial` beside each place). Renames each to its place
 * once `fill` is done. A place has the old folder or the whole new one, never a part. A failure
 * removes the partial folders, except those that keep work for the next run.
 */
export async function buildAside<T>(
  builds: readonly Build[],
  fill: (folders: readonly string[]) => Promise<T>,
): Promise<T> {
  return workAside(builds, async (folders) => {
    const value = await fill(folders);
    for (const [i, { place }] of builds.entries())
      await onDisk(place, 0, () => replaceFolder(folders[i]!, place));
    return value;
  });
}

/** Opens the same folders for work that does not finish them. */
export async function workAside<T>(
  builds: readonly Build[],
  use: (folders: readonly string[]) => Promise<T>,
): Promise<T> {
  const partials: RunFolder[] = [];
  try {
    for (const { place, work } of builds) {
      await onDisk(dirname(place), 0, async () => {
        await tidy(place);
        await makeFolder(dirname(place));
        partials.push(await openPartial(place, work));
      });
    }
    return await use(partials.map(({ path }) => path));
  } finally {
    await Promise.all(partials.map((partial) => partial.close()));
  }
}

async function openPartial(place: string, work: string | null): Promise<RunFolder> {
  if (work === null) return openRunFolder(dirname(place), partialOf(place));
  const whole = beside(place, `${work}.partial`);
  const path = join(whole, "files");
  await makeFolder(path);
  const close = async () => {
    // Without a finished part there is nothing to go on with; without files it is finished.
    const isThere = (one: string) => stat(one).then(Boolean, () => false);
    if ((await isThere(path)) && (await isThere(journalOf(path)))) return;
    await rm(whole, { recursive: true, force: true }).catch(() => {});
  };
  return { path, close };
}

/**
 * Writes a file aside, in a folder of this run, and renames it to its place. The place has the old
 * file or the whole new one. Folders of killed runs are removed.
 */
export async function writeAside(place: string, text: string): Promise<void> {
  const folder = dirname(place);
  await onDisk(folder, Buffer.byteLength(text), async () => {
    await makeFolder(folder);
    await removeAbandoned(folder, partialOf(place));
    const partial = await openRunFolder(folder, partialOf(place));
    try {
      const path = join(partial.path, basename(place));
      await writeFile(path, text);
      await rename(path, place);
    } finally {
      await partial.close();
    }
  });
}

function partialOf(place: string): RunFolderName {
  return { prefix: `.${basename(place)}.`, suffix: ".partial" };
}

function beside(place: string, suffix: string): string {
  return join(dirname(place), `.${basename(place)}.${suffix}`);
}

/** Cleans up after killed runs: removes their partial folders, and restores a folder moved away. */
async function tidy(place: string): Promise<void> {
  await rename(beside(place, "old"), place).catch(() => {}); // fails if nothing was moved
  await removeAbandoned(dirname(place), partialOf(place));
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
  const found = await statusOf(place);
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

/** null: there is nothing. A link to nothing has the status of the link. Throws DISK. */
async function statusOf(place: string): Promise<Stats | null> {
  return stat(place).catch(async (cause: unknown) => {
    if (codeOf(cause) === "ENOENT") return lstat(place).catch(() => null);
    throw await diskError(cause, place, 0);
  });
}
