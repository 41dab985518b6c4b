import { bytesPerElement } from "../dtype.ts";
import type { TuneTask } from "./tune-frame.ts";

/** Memory of a worker for the rows of a job, in bytes. */
const memoryForRows = 120e6;
/** Rows, or twice the columns: with so many at once, what is done once for them hardly counts. */
const enoughRows = 512;

/** As WHOLE, WINDOW and BLOCK in tuning.rs. */
const [whole, ofWider, block] = [5120, 1024, 128];

/** How many columns descent checks where no window is given. */
function reachOf(columns: number): number {
  return columns <= whole ? columns : ofWider;
}

/**
 * Memory of a worker that tunes matrices of so many columns, in bytes. It never shrinks. Beside the
 * rows there are a block of R, its products, and the second derivatives of what descent checks.
 */
export function tuningMemory(columns: number): number {
  return memoryForRows + 4 * (reachOf(columns) ** 2 + 2 * block * columns);
}

/** How many rows of these tasks a worker can hold at once: a multiple of 16. */
export function rowsAtOnce(
  columns: number,
  tasks: readonly TuneTask[],
  {
    sources,
    window = reachOf(columns),
  }: { readonly sources: number; readonly window?: number | undefined },
): number {
  const ofSource = 4 + bytesPerElement.F32;
  const ofDescent = (12 * Math.min(window, columns)) / columns;
  // Errors, codes and the packed result; gradients and their two bounds.
  const ofTask = ({ bits, sweeps }: TuneTask) => 8 + bits / 8 + (sweeps > 0 ? ofDescent : 0);
  const each = sources * ofSource + tasks.reduce((sum, task) => sum + ofTask(task), 0);
  const most = Math.min(memoryForRows / (each * columns), Math.max(enoughRows, 2 * columns));
  return Math.max(16, Math.floor(most / 16) * 16);
}
