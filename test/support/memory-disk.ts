import { mkdtempSync, readFileSync, statfsSync } from "node:fs";

/** Where Linux has a disk in memory, what the tests need of it at most, and more. */
const [place, least] = ["/dev/shm", 4 * 2 ** 30];

/**
 * A new folder in memory for what tests write, or null where there is no room or programs must not
 * run there. Runs flush their files to the disk hundreds of times, and a real one takes its time.
 */
export function folderInMemory(): string | null {
  try {
    const mount = readFileSync("/proc/mounts", "utf8").match(/^\S+ \/dev\/shm tmpfs (\S+)/m);
    const { bavail, bsize } = statfsSync(place);
    if (mount === null || mount[1]!.includes("noexec") || bavail * bsize < least) return null;
    return mkdtempSync(`${place}/oqe-`);
  } catch {
    return null; // another system
  }
}
