import { readFile, rename, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import * as v from "valibot";
import { absentFolders, makeFolder, onDisk, removeEmpty } from "../ground/disk.ts";
import { OqeError } from "../ground/errors.ts";
import { line, object } from "../ground/schema.ts";
import {
  listRunFolders,
  openRunFolder,
  processOf,
  type RunFolder,
  type RunFolderName,
  removeAbandoned,
} from "./run-folder.ts";

/** A lock on a folder: one run works in it at a time. */
export interface FolderLock {
  /** Gives the folder free. A killed process need not: the next run finds that it has ended. */
  release(): Promise<void>;
}

/** How often a run that is first in line looks whether the others have given up, in ms. */
const pause = 20;
/** Looks until a run that neither gives up nor holds the lock counts as its holder. */
const looks = 100;

/**
 * Locks `folder`, which need not exist; the folder above it is made. Throws CONFLICT at once if
 * another run has the lock, and names that run: host, process and since when. A lock of a run that
 * was killed is taken over. Throws DISK if nothing can be written there.
 *
 * Each run makes a folder of its own beside `folder`, then looks for those of others. So of two
 * runs at least one sees the other. If both ask at the same time, the first by name gets the lock.
 * docs/decisions/0015-folder-locks.md says why this is no library.
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const parent = dirname(folder);
  const like = { prefix: `.${basename(folder)}.lock.`, suffix: "" };
  const own = await onDisk(parent, 0, async () => {
    await makeFolder(parent);
    return openRunFolder(parent, like);
  });
  try {
    await onDisk(parent, 0, () => introduce(own));
    for (let look = 0; ; look++) {
      await removeAbandoned(parent, like);
      const others = (await listRunFolders(parent, like)).filter((path) => path !== own.path);
      if (others.length === 0) break;
      const holder = await findHolder(own, others, look >= looks);
      if (holder !== null) throw await inUse(folder, holder, like);
      await wait(pause);
    }
    await onDisk(parent, 0, () => rename(join(own.path, asking), join(own.path, holding)));
    return { release: () => own.close() };
  } catch (error) {
    await own.close();
    throw error;
  }
}

/** Locks several folders, or none of them. */
export async function lockFolders(folders: readonly string[]): Promise<FolderLock> {
  const locks: FolderLock[] = [];
  const release = async () => {
    await Promise.all(locks.map((lock) => lock.release()));
  };
  try {
    for (const folder of folders) locks.push(await lockFolder(folder));
    return { release };
  } catch (error) {
    await release();
    throw error;
  }
}

/** The file that describes a run, by what the run does: it looks for others, or has the lock. */
const [asking, holding] = ["asking.json", "holding.json"];

const described = v.pipe(v.string(), v.parseJson(), object({ host: line, since: line }));

async function introduce({ path }: RunFolder): Promise<void> {
  const run = { host: hostname(), since: new Date().toISOString() };
  await writeFile(join(path, asking), JSON.stringify(run));
}

/** The run that this one gives way to; null: the others are still looking, and will give way. */
async function findHolder(
  own: RunFolder,
  others: readonly string[],
  isLate: boolean,
): Promise<string | null> {
  for (const path of others) {
    const holds = await stat(join(path, holding)).catch(() => null);
    if (holds !== null || path < own.path || isLate) return path;
  }
  return null;
}

async function inUse(folder: string, path: string, like: RunFolderName): Promise<OqeError> {
  const text = await readFile(join(path, holding), "utf8").catch(() =>
    readFile(join(path, asking), "utf8").catch(() => ""),
  );
  const { success, output } = v.safeParse(described, text);
  const where = success ? ` on ${output.host} since ${output.since}` : "";
  return new OqeError(
    "CONFLICT",
    `another run works in ${folder}: process ${processOf(path, like) ?? "unknown"}${where}`,
    `Wait until it ends, or set another work-dir. If there is no such run, delete ${path}.`,
  );
}

/**
 * Locks folders for the time of `use`, which gets their paths. Of the folders above them that this
 * makes, those that stay empty are removed. Throws CONFLICT if another run has one of them.
 */
export async function whileLocked<T>(
  paths: readonly string[],
  use: (paths: readonly string[]) => Promise<T>,
): Promise<T> {
  const absent: (readonly string[])[] = [];
  for (const parent of new Set(paths.map(dirname))) absent.push(await absentFolders(parent));
  try {
    const lock = await lockFolders(paths);
    try {
      return await use(paths);
    } finally {
      await lock.release();
    }
  } finally {
    for (const folders of absent) await removeEmpty(folders);
  }
}
