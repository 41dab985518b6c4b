import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, readlink, rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, join } from "node:path";
import { codeOf } from "../ground/reasons.ts";

/** How often a run says that it is there, and after how long it counts as killed, in ms. */
const [beat, patience] = [30_000, 300_000];

/** A folder of a run, for as long as it runs. */
export interface RunFolder {
  readonly path: string;
  /** Deletes the folder. */
  close(): Promise<void>;
}

/** How the names of some folders begin and end. */
export interface RunFolderName {
  readonly prefix: string;
  readonly suffix: string;
}

/** Folders of this process. Another process may have had its number before. */
const own = new Set<string>();

/**
 * Makes a folder `<prefix><machine>.<process>.<start>.<random><suffix>` in `parent`, which exists.
 * The number of a process says nothing in another container, and a restarted one has the same
 * numbers again. So while the folder is open, its time of change is set every half minute. At the
 * same time folders of runs that were killed meanwhile are deleted (removeAbandoned).
 */
export async function openRunFolder(parent: string, like: RunFolderName): Promise<RunFolder> {
  const mark = await processMark();
  const name = `${like.prefix}${mark.machine}.${mark.process}.${randomUUID()}${like.suffix}`;
  const path = join(parent, name);
  own.add(name);
  await mkdir(path);
  const timer = setInterval(() => {
    const now = new Date();
    void utimes(path, now, now).catch(() => {});
    void removeAbandoned(parent, like);
  }, beat);
  timer.unref();
  return {
    path,
    close: async () => {
      clearInterval(timer);
      await rm(path, { recursive: true, force: true }).catch(() => {});
      own.delete(name);
    },
  };
}

/**
 * Deletes the folders of killed runs. Processes of this machine or container are asked whether they
 * run. Folders of others are left alone until they have not changed for five minutes.
 */
export async function removeAbandoned(parent: string, like: RunFolderName): Promise<void> {
  const { prefix, suffix } = like;
  for (const name of await readdir(parent).catch(() => [])) {
    if (!name.startsWith(prefix) || !name.endsWith(suffix) || own.has(name)) continue;
    const path = join(parent, name);
    if (await isAbandoned(path, name.slice(prefix.length)))
      await rm(path, { recursive: true, force: true }).catch(() => {});
  }
}

/** Full paths of the folders of other runs, and of this process, sorted. */
export async function listRunFolders(
  parent: string,
  { prefix, suffix }: RunFolderName,
): Promise<string[]> {
  const names = await readdir(parent);
  return names
    .filter((name) => name.startsWith(prefix) && name.endsWith(suffix))
    .sort()
    .map((name) => join(parent, name));
}

/** The process that made a folder, by the folder's name; null: the name does not say. */
export function processOf(path: string, { prefix }: RunFolderName): number | null {
  const [, , pid] = markOf(basename(path).slice(prefix.length));
  return pid === undefined ? null : Number(pid);
}

/** Machine, number and start of the process. The start is 0 where there is no /proc. */
function markOf(mark: string): readonly (string | undefined)[] {
  return /^([0-9a-z-]+)\.(\d+)\.(\d+)\./i.exec(mark) ?? [];
}

async function isAbandoned(path: string, mark: string): Promise<boolean> {
  const [, where, number, start] = markOf(mark);
  if (where === undefined) return false; // work that is kept for the next run
  if (where === (await machine())) {
    const pid = Number(number);
    return pid === process.pid || !(await isRunning(pid, start!));
  }
  const found = await stat(path).catch(() => null);
  return found !== null && Date.now() - found.mtimeMs > patience;
}

/** Names this process: its machine, and there its number and start, `<number>.<start>`. */
export async function processMark(): Promise<{
  readonly machine: string;
  readonly process: string;
}> {
  const { pid } = process;
  return { machine: await machine(), process: `${pid}.${(await statusOf(pid))?.start ?? 0}` };
}

/** Whether a process of this machine, named as by processMark, has ended. */
export async function hasEnded(mark: string): Promise<boolean> {
  const [, pid, start] = /^(\d+)\.(\d+)$/.exec(mark) ?? [];
  return pid !== undefined && !(await isRunning(Number(pid), start!));
}

/** Names what numbers processes: on Linux a start of the machine and a namespace in it. */
async function machine(): Promise<string> {
  const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => null);
  const space = await readlink("/proc/self/ns/pid").catch(() => null);
  const words = boot === null || space === null ? hostname() : `${boot.trim()}-${space}`;
  return words.replace(/[^0-9a-z-]/gi, "");
}

/** Whether a process exists and has not ended. `start` is 0 where it is unknown. */
async function isRunning(pid: number, start: string): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (codeOf(error) !== "EPERM") return false; // EPERM: another user's process
  }
  const status = await statusOf(pid);
  if (status === null) return true;
  // A zombie has ended, but its parent (in some containers) never asks how. A process that started
  // at another time has only the same number.
  return !["Z", "X"].includes(status.state) && (start === "0" || status.start === start);
}

/** State and start (ticks since the machine's) of a process; null where there is no /proc. */
async function statusOf(pid: number): Promise<{ state: string; start: string } | null> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The second field is the program's name in brackets; it may have spaces and brackets itself.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state, start] = [fields[0], fields[19]];
  return state === undefined || start === undefined ? null : { state, start };
}
