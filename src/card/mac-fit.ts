import { sum } from "../ground/sum.ts";
import { carriedParts, sidecars } from "../models/carried.ts";
import type { Receipt, SeriesRow } from "../receipt/receipt.ts";

/** Memory of Macs with Apple silicon, in GiB. */
const sizes = [8, 16, 18, 24, 32, 36, 48, 64, 96, 128, 192, 256, 512];

/** Bytes beside weights and cache: activations, compiled kernels, Python. An allowance. */
export const allowance = 1e9;

/** Tokens of context that a Mac must hold to count, if the model takes so many. */
export const leastContext = 8192;

/**
 * Bytes that the GPU may use by default: macOS sets the limit to two thirds of the memory, or three
 * quarters from 36 GiB on (`recommendedMaxWorkingSetSize`). Newer versions allow more.
 */
function usable(gibibytes: number): number {
  return (gibibytes < 36 ? 2 / 3 : 3 / 4) * gibibytes * 2 ** 30;
}

/** Bytes of a tier that runtimes load: not those in files of their own. */
export function loadedBytes({ bytes, carried = {} }: Pick<SeriesRow, "bytes" | "carried">): number {
  const beside = carriedParts.filter((part) => sidecars[part] !== null);
  return bytes - sum(beside, (part) => carried[part] ?? 0);
}

/** The smallest Mac that holds a tier. `context`: tokens beside it; null: not known. */
export interface MacFit {
  readonly gibibytes: number;
  readonly context: number | null;
}

/** null: no Mac holds the weights and a context worth having. */
export function fitMac(
  bytes: number,
  { cache, contextLength }: Pick<Receipt["model"], "cache" | "contextLength">,
): MacFit | null {
  const most = contextLength ?? Number.MAX_SAFE_INTEGER;
  for (const gibibytes of sizes) {
    const room = usable(gibibytes) - bytes - allowance - (cache?.fixed ?? 0);
    if (cache === null || cache.perToken === 0) {
      if (room >= 0) return { gibibytes, context: cache === null ? null : contextLength };
      continue;
    }
    const context = Math.min(most, Math.floor(room / cache.perToken));
    if (context >= Math.min(most, leastContext)) return { gibibytes, context };
  }
  return null;
}
