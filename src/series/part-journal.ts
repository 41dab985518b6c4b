import { createHash } from "node:crypto";
import { open, readFile, rm, stat, truncate } from "node:fs/promises";
import { dirname, join } from "node:path";
import * as v from "valibot";
import type { ReadNotes } from "../checkpoint/checkpoint.ts";
import { pieces } from "../ground/pieces.ts";
import { count, line, list, object, sha256 } from "../ground/schema.ts";
import { readSealed, writeSealed } from "../ground/sealed-json.ts";
import { placesOf, type ShardLayout } from "../mlx/layout.ts";
import type { ShardWriter } from "../mlx/shard-writer.ts";
import { type PartLog, type PartRecord, partRecordSchema } from "../quantize/part-record.ts";

/** Pieces of a shard of the base, and their digests: see DigestRun. */
export const digestsSchema = object({ file: line, first: count, digests: v.string("base64") });

/**
 * A finished part, the SHA-256 of its stored tensors in the order in which it names them, and what
 * was read of the base since the part before it.
 */
export const writtenPartSchema = object({
  part: partRecordSchema,
  sha256,
  read: list(digestsSchema),
});
export type WrittenPart = v.InferOutput<typeof writtenPartSchema>;

/** The journal of a tier's folder, which lies beside it: a line of JSON for each finished part. */
export function journalOf(folder: string): string {
  return join(dirname(folder), "parts.jsonl");
}

/** Bytes of a tensor that are read at once. */
const chunk = 4 << 20;

/** Largest journal that is read, in bytes. That of a large model has some megabytes. */
const largest = 256 << 20;

/** The bytes of a stored tensor, in pieces. */
export async function* readTensor(
  writer: Pick<ShardWriter, "read">,
  name: string,
  bytes: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (const [start, end] of pieces(bytes, chunk)) {
    const some = new Uint8Array(end - start);
    await writer.read(name, start, some);
    yield some;
  }
}

/** The shards of a tier in its work folder. */
export interface TierShards {
  readonly folder: string;
  readonly layouts: readonly ShardLayout[];
  readonly writer: ShardWriter;
  /** What was read of the base. */
  readonly notes: ReadNotes;
  /** Whether a record is of a part of this tier. */
  readonly fits: (part: PartRecord) => boolean;
}

/**
 * The finished parts of a tier, in a file beside its folder. A part counts as finished once its
 * line is on the disk, and the line is written after the tensors.
 */
export class PartJournal implements PartLog {
  readonly #shards: TierShards;
  readonly #places: ReturnType<typeof placesOf>;
  readonly #known = new Map<string, WrittenPart>();
  /** Made by another run while this one was at work, and not in a line yet. */
  readonly #taken = new Map<string, PartRecord>();
  #fresh: PartRecord[] = [];
  /** The parts that were finished in this run. */
  readonly #names = new Set<string>();

  constructor(shards: TierShards) {
    this.#shards = shards;
    this.#places = placesOf(shards.layouts);
  }

  /** The parts that an earlier run finished. No record of this run's stays in memory. */
  get known(): readonly WrittenPart[] {
    return [...this.#known.values()];
  }

  recall(name: string): PartRecord | null {
    return this.#known.get(name)?.part ?? this.#taken.get(name) ?? null;
  }

  isTakenOver = (name: string): boolean => this.#taken.has(name);

  /** Whether a part is finished: by an earlier run, or in this one. */
  has(name: string): boolean {
    return this.#known.has(name) || this.#names.has(name);
  }

  record(part: PartRecord): void {
    this.#fresh.push(part);
    this.#names.add(part.name);
  }

  /** Takes over what another run made meanwhile. The tensors are in the shards. */
  takeOver(part: PartRecord): void {
    for (const name of part.tensors) this.#shards.writer.restore(name);
    this.#taken.set(part.name, part);
    this.record(part);
  }

  /** Takes a part over whose tensors are in the shards. */
  adopt(written: WrittenPart): void {
    for (const name of written.part.tensors) this.#shards.writer.restore(name);
    this.#known.set(written.part.name, written);
  }

  /**
   * Takes over the parts that an earlier run left in the folder. The tensors of each are read and
   * compared with its SHA-256; a part that differs is made again. So are all behind a damaged line,
   * because it told what they read of the base; and all, if that run read other bytes of it.
   */
  async load(): Promise<void> {
    const { folder, notes, fits } = this.#shards;
    const found = await readJournal(journalOf(folder));
    if (!notes.recall(found.flatMap(({ read }) => read))) {
      await rm(journalOf(folder), { force: true });
      return;
    }
    for (const written of found) {
      const { name, tensors } = written.part;
      if (this.#known.has(name) || !fits(written.part)) continue;
      const wasThere = (tensor: string) => {
        const place = this.#places.get(tensor);
        return place !== undefined && this.#shards.writer.wasThere(place.file);
      };
      if (!tensors.every(wasThere) || (await this.#hash(tensors)) !== written.sha256) continue;
      this.adopt(written);
    }
  }

  /** Writes the parts that were finished or taken over since the last call, and returns them. */
  async save(): Promise<readonly WrittenPart[]> {
    const fresh = this.#fresh;
    this.#fresh = [];
    this.#taken.clear();
    if (fresh.length === 0) return [];
    await this.#shards.writer.sync();
    const written: WrittenPart[] = [];
    for (const part of fresh) {
      const read = [...this.#shards.notes.takeDigests(this)];
      written.push({ part, sha256: await this.#hash(part.tensors), read });
    }
    const handle = await open(journalOf(this.#shards.folder), "a");
    try {
      // A line that a killed run left without its end must not spoil the next one.
      await handle.appendFile(written.map((one) => `\n${writeSealed(one)}\n`).join(""));
      await handle.sync();
    } finally {
      await handle.close();
    }
    return written;
  }

  async #hash(tensors: readonly string[]): Promise<string> {
    const hash = createHash("sha256");
    for (const name of tensors) {
      const { bytes } = this.#places.get(name)!;
      for await (const some of readTensor(this.#shards.writer, name, bytes)) hash.update(some);
    }
    return hash.digest("hex");
  }
}

/**
 * The parts that a journal tells of, up to the first line that cannot be read. The file is cut
 * there.
 */
async function readJournal(path: string): Promise<readonly WrittenPart[]> {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size === 0) return [];
  const text = size > largest ? "" : await readFile(path, "utf8");
  const parts: WrittenPart[] = [];
  let whole = 0;
  for (const line of text.split(/(?<=\n)/)) {
    if (line !== "\n") {
      const { success, output } = v.safeParse(writtenPartSchema, readSealed(line));
      if (!success || !line.endsWith("\n")) break;
      parts.push(output);
    }
    whole += Buffer.byteLength(line);
  }
  if (whole < size) await truncate(path, whole);
  return parts;
}
