import { totalmem } from "node:os";

/** Share of the machine's memory that a run may use unless it is told otherwise. */
export const usualShare = 0.65;
/** Share that it may use where it needs more: the system and other programs need the rest. */
export const mostShare = 0.8;

/** Bytes of memory of this machine, or of the container that the process is in. */
export function machineMemory(): number {
  const limit = process.constrainedMemory?.() ?? 0;
  return limit > 0 ? Math.min(totalmem(), limit) : totalmem();
}

/** Bytes that a run may use unless it is told otherwise. */
export function usualMemory(): number {
  return Math.floor(usualShare * machineMemory());
}

/**
 * Environment of a process that does the work. By default, glibc keeps freed memory of up to 32 MiB
 * for later requests. In hours of matrices of some MiB, it falls to pieces that are never used
 * again. With a fixed threshold, larger blocks go back to the system at once. Each of its arenas
 * keeps more, and threads that compute allocate nothing. Other systems ignore both.
 */
export const allocatorSettings = {
  MALLOC_MMAP_THRESHOLD_: String(1 << 20),
  MALLOC_ARENA_MAX: "2",
} as const;

/**
 * Flags of such a process. V8's space for young objects would grow to 32 MiB: the space is copied
 * within, and half of it is empty. Most of ours are small and few.
 */
export const heapFlags = ["--max-semi-space-size=2"] as const;
