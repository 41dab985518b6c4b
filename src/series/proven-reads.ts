import type { Provable } from "../checkpoint/checkpoint.ts";
import type { Outside } from "../checkpoint/held-runs.ts";
import type { Proven } from "../checkpoint/verified-shards.ts";
import { grouped } from "../ground/digits.ts";
import type { Report } from "../ground/report.ts";

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
