import type { ShardLayout } from "../mlx/layout.ts";
import { createShards, type WrittenFile } from "../mlx/shard-writer.ts";
import type { TierSink } from "../mlx/tier-sink.ts";
import { noLog, type PartLog } from "../quantize/part-record.ts";
import { PartJournal } from "./part-journal.ts";

/** The weights of one tier while they are made. */
export interface TierWork {
  readonly sink: TierSink;
  /** The tier's finished parts. */
  readonly log: PartLog;
  /** Number of parts that earlier runs finished. */
  readonly recalled: number;
  /** Saves the parts that were finished since the last call, so that a killed run can go on. */
  save(): Promise<void>;
  /** Waits for the last shard. Gives every shard, and closes the files. */
  finish(): Promise<Record<string, WrittenFile>>;
  /** Closes the files after a failure. May be called twice. */
  abort(): Promise<void>;
}

export interface TierWorkRequest {
  readonly folder: string;
  readonly layouts: readonly ShardLayout[];
  /** Whether the folder keeps finished parts for the next run. */
  readonly isDurable: boolean;
}

/** Opens the work on a tier, as an earlier run left it in the folder. */
export async function openTierWork(request: TierWorkRequest): Promise<TierWork> {
  const { folder, layouts, isDurable } = request;
  const writer = await createShards(folder, layouts, { continues: isDurable });
  const own = { sink: writer, finish: () => writer.finish(), abort: () => writer.abort() };
  if (!isDurable) return { ...own, log: noLog, recalled: 0, save: async () => {} };
  const journal = new PartJournal({ folder, layouts, writer });
  try {
    await journal.load();
  } catch (error) {
    await writer.abort();
    throw error;
  }
  const save = async () => void (await journal.save());
  return { ...own, log: journal, recalled: journal.size, save };
}
