import { totalmem } from "node:os";

/** Share of the machine's memory that a run may use unless it is told otherwise. */
const usualShare = 0.6;

/** Bytes of memory of this machine, or of the container that the process is in. */
export function machineMemory(): number {
  const limit = process.constrainedMemory?.() ?? 0;
  return limit > 0 ? Math.min(totalmem(), limit) : totalmem();
}

/** Bytes that a run may use unless it is told otherwise. */
export function usualMemory(): number {
  return Math.floor(usualShare * machineMemory());
}
