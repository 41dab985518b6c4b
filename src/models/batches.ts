import type { Kernel } from "../kernel/kernel-types.ts";

/** Rows of a matrix product in one job: enough that packing the weight in each job costs little. */
export const productRows = 512;

/** Most workers that one batch has jobs for. */
const mostSharing = 8;

/** Tokens of a batch: a product for each worker. */
export function batchTokens({ workers }: Pick<Kernel, "workers">): number {
  return productRows * Math.min(workers, mostSharing);
}

/** Batches in progress: one more than there are jobs for keeps the workers busy while one ends. */
export function batchesAtOnce({ workers }: Pick<Kernel, "workers">): number {
  return Math.ceil(workers / mostSharing) + 1;
}
