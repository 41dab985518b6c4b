import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ReadNotes } from "../checkpoint/checkpoint.ts";
import type { Report } from "../ground/report.ts";
import { placesOf, type ShardLayout } from "../mlx/layout.ts";
import { createShards, type ShardWriter, type WrittenFile } from "../mlx/shard-writer.ts";
import type { TierSink } from "../mlx/tier-sink.ts";
import { noLog, type PartLog, type PartRecord } from "../quantize/part-record.ts";
import type { AheadParts } from "./ahead-parts.ts";
import { PartJournal } from "./part-journal.ts";
import { entryFits } from "./staged-fit.ts";
import type { StagedTier } from "./staged-tier.ts";
import { restorePiece, Stager } from "./stager.ts";

/** The weights of one tier while they are made. */
export interface TierWork {
  readonly sink: TierSink;
  /** The tier's finished parts. */
  readonly log: PartLog;
  /** Number of parts that earlier runs finished. */
  readonly recalled: number;
  /**
   * Saves the parts that were finished since the last call, so that a killed run can go on. All
   * riders have passed `layer`; null: the head is tuned. Gives the number of these parts.
   */
  save(layer: number | null): Promise<number>;
  /** Takes a part over if another job has made it by now. False: it is there, or to be made. */
  take(name: string): Promise<boolean>;
  /** Waits until all that was saved is on the staging branch. */
  settle(): Promise<void>;
  /** Waits for the last shard. Gives every shard, and closes the files. */
  finish(): Promise<Record<string, WrittenFile>>;
  /** Closes the files after a failure. May be called twice. */
  abort(): Promise<void>;
}

export interface TierWorkRequest {
  readonly folder: string;
  readonly layouts: readonly ShardLayout[];
  /** Whether a record is of a part of this tier. */
  readonly fits: (part: PartRecord) => boolean;
  /** Whether the folder keeps finished parts for the next run. */
  readonly isDurable: boolean;
  /** The tier's staging branch; null: nothing is staged. Only of a durable folder. */
  readonly staged: StagedTier | null;
  /** What another job makes of the tier. Default: none does. Only of a durable folder. */
  readonly ahead?: AheadParts | null;
  /** What was read of the base. */
  readonly notes: ReadNotes;
  readonly report: Pick<Report, "info">;
}

/** Opens the work on a tier, as earlier runs left it in the folder and on the staging branch. */
export async function openTierWork(request: TierWorkRequest): Promise<TierWork> {
  const { folder, layouts, fits, isDurable, staged, ahead = null, notes, report } = request;
  staged?.keepFitting(entryFits({ layouts, fits }));
  const read = (staged?.entries ?? []).flatMap(({ parts }) => parts.flatMap((part) => part.read));
  if (!notes.recall(read)) await staged?.discard(); // it was made from other bytes of the base
  const complete: Record<string, WrittenFile> = {};
  const onShard = (file: string, written: WrittenFile) => {
    complete[file] = written;
  };
  const distant = Object.entries(staged?.shards ?? {}).map(([file, written]) => {
    return { file, ...written, fetch: (path: string) => staged!.fetch(file, path) };
  });
  const writer = await createShards(folder, layouts, { continues: isDurable, distant, onShard });
  const own = { sink: writer, abort: () => writer.abort() };
  const finish = () => writer.finish();
  const settle = async () => {};
  const none = { log: noLog, recalled: 0, save: async () => 0, take: async () => false };
  if (!isDurable) return { ...own, ...none, finish, settle };
  const journal = new PartJournal({ folder, layouts, writer, notes, fits });
  try {
    await journal.load();
    if (staged !== null) await restoreStaged(request, staged, { journal, writer });
    const take = async (name: string) => {
      if (ahead === null || journal.has(name)) return false;
      const part = await ahead.take(name, { layouts, fits, writer, notes });
      if (part !== null) journal.takeOver(part.part);
      return part !== null;
    };
    const known = { ...own, log: journal, recalled: journal.known.length, take };
    const save = async () => (await journal.save()).length;
    if (staged === null) return { ...known, finish, settle, save };
    const stager = new Stager({ folder, layouts, staged, writer, complete, report });
    return { ...known, ...(await stageWork(stager, staged, journal, writer)) };
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

/** The steps of a work that is staged. */
async function stageWork(
  stager: Stager,
  staged: StagedTier,
  journal: PartJournal,
  writer: ShardWriter,
): Promise<Pick<TierWork, "save" | "settle" | "finish">> {
  // A run that was killed may have finished parts on this disk that it could not send any more.
  const sent = new Set(staged.entries.flatMap(({ parts }) => parts.map(({ part }) => part.name)));
  await stager.add(
    journal.known.filter(({ part }) => !sent.has(part.name)),
    null,
  );
  const save = async (layer: number | null) => {
    const parts = await journal.save();
    await stager.add(parts, layer);
    return parts.length;
  };
  const finish = async () => {
    await save(null);
    const files = await writer.finish();
    await stager.end();
    return files;
  };
  return { save, finish, settle: () => stager.end() };
}

interface Restoring {
  readonly journal: PartJournal;
  readonly writer: ShardWriter;
}

/** Takes over the parts that the staging branch has and the folder has not. */
async function restoreStaged(
  { folder, layouts }: TierWorkRequest,
  staged: StagedTier,
  { journal, writer }: Restoring,
): Promise<void> {
  const complete = staged.shards;
  const places = placesOf(layouts);
  const isOpen = (tensor: string) => !Object.hasOwn(complete, places.get(tensor)!.file);
  for (const entry of staged.entries) {
    const missing = entry.parts.filter(({ part }) => journal.recall(part.name) === null);
    if (missing.length === 0) continue;
    const { piece } = entry;
    if (piece?.tensors.some(isOpen)) {
      const path = join(dirname(folder), "piece.bin");
      await staged.fetchPiece(entry, path);
      await restorePiece(path, piece.tensors, { layouts, writer });
      await rm(path);
    }
    for (const part of missing) journal.adopt(part);
  }
}
