import { rm } from "node:fs/promises";
import { AlteredBytes } from "../checkpoint/altered-bytes.ts";
import type { Provable } from "../checkpoint/checkpoint.ts";
import type { Outside } from "../checkpoint/held-runs.ts";
import type { Proven } from "../checkpoint/verified-shards.ts";
import { grouped } from "../ground/digits.ts";
import type { Report } from "../ground/report.ts";
import type { AheadParts } from "./ahead-parts.ts";
import { journalOf } from "./part-journal.ts";
import type { StagedTier } from "./staged-tier.ts";
import { isUnreachable } from "./staging-claim.ts";

/** Runs `use` with a place for bytes of checkpoints that wait for their turn to be hashed. */
export async function withWaitingBytes<T>(
  checkpoints: readonly Provable[],
  { keep, most }: Outside,
  use: () => Promise<T>,
): Promise<T> {
  for (const one of checkpoints) one.useOutside({ keep, most: most / checkpoints.length });
  try {
    return await use();
  } finally {
    for (const one of checkpoints) one.useOutside(null);
  }
}

/** Proves what was read (Provable), and tells what was proven. Throws NETWORK. */
export async function proveReads(checkpoint: Provable, report: Report): Promise<Proven | null> {
  const proven = await checkpoint.prove();
  if (proven !== null && proven.shards > 0) {
    const { of, shards, bytes } = proven;
    const what = `${shards} ${shards === 1 ? "shard" : "shards"}, ${grouped(bytes)} bytes`;
    report.info(`the bytes of ${of} are those of its commit: ${what}`);
  }
  return proven;
}

/** A folder that keeps parts for the next run, and the tier's staging branch. */
interface Durable {
  readonly folder: string;
  readonly staged: StagedTier | null;
  readonly ahead?: AheadParts | null;
}

/**
 * Ends the work on some tiers, and throws the error. After wrong bytes of the base, no run may go
 * on with what was made of them.
 */
export async function stopParts(tiers: readonly Durable[], error: unknown): Promise<never> {
  for (const { folder, staged, ahead } of tiers) {
    if (error instanceof AlteredBytes) {
      await rm(journalOf(folder), { force: true });
      await staged?.discard();
      await ahead?.discard();
    }
    // The error says more than another one of the Hub.
    if (!isUnreachable(error)) await staged?.release().catch(() => {});
  }
  throw error;
}
