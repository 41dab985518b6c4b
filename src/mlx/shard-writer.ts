import { mkdir } from "node:fs/promises";
import { diskError, requireRoom } from "../ground/disk.ts";
import { OqeError } from "../ground/errors.ts";
import type { PlacedTensor, ShardLayout } from "./layout.ts";
import { type FetchShard, ShardFile } from "./shard-file.ts";

export interface WrittenFile {
  readonly bytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

/** Told of each shard as soon as it is complete, one after the other. Nothing changes it later. */
export type OnShard = (file: string, written: WrittenFile) => Promise<void> | void;

/** A complete shard that lies elsewhere. */
export interface DistantShard extends WrittenFile {
  readonly file: string;
  readonly fetch: FetchShard;
}

export interface ShardOptions {
  readonly onShard?: OnShard;
  /**
   * Continues the files that an earlier run left in the folder, and leaves them there after a
   * failure. Default: files must not exist, and a failure removes them.
   */
  readonly continues?: boolean;
  /** Shards that are complete already. */
  readonly distant?: readonly DistantShard[];
  /** Bytes that the folder will hold at most. Default: those of all shards. */
  readonly room?: number;
}

/**
 * Fills files in any order. A file whose bytes are all there is flushed to disk, hashed and handed
 * on while others are filled. It can still be read. After `finish` or `abort` nothing can be used
 * any more.
 */
export interface ShardWriter {
  /**
   * Writes bytes at `byteOffset` within a tensor. They may lie over a SharedArrayBuffer, and must
   * not change until the promise settles. A restored tensor is not written again.
   */
  write(tensor: string, byteOffset: number, bytes: Uint8Array): Promise<void>;
  /**
   * Writes bytes that may prove wrong: they count once the tensor is restored. Until then they can
   * be written again.
   */
  fill(tensor: string, byteOffset: number, bytes: Uint8Array): Promise<void>;
  /** Reads bytes `[byteOffset, byteOffset + into.length)` of a tensor as they were written. */
  read(tensor: string, byteOffset: number, into: Uint8Array): Promise<void>;
  /** Whether a file was there when it was opened, as an earlier run left it. */
  wasThere(file: string): boolean;
  /** Whether the tensor was restored, or is in a shard that lies elsewhere. */
  has(tensor: string): boolean;
  /** The tensor's bytes are in its file already. */
  restore(tensor: string): void;
  /** Flushes all files to disk. */
  sync(): Promise<void>;
  /** Removes a complete shard from the disk. If it is read again, `fetch` brings it back. */
  leave(file: string, fetch: FetchShard): Promise<void>;
  /** Checks that each byte was written once, and waits for the last files. */
  finish(): Promise<Record<string, WrittenFile>>;
  /** Closes the files. Removes them unless the next run can continue them. May be called twice. */
  abort(): Promise<void>;
}

/**
 * Creates the files of `layouts` at full size and writes their headers. Makes `folder` where it is
 * missing. Throws DISK for missing disk space or permission, NOT_OURS where a file exists already;
 * either way it leaves no new file behind.
 */
export async function createShards(
  folder: string,
  layouts: readonly ShardLayout[],
  options: ShardOptions = {},
): Promise<ShardWriter> {
  const writer = new Writer(folder, layouts, options);
  try {
    await writer.create();
  } catch (error) {
    await writer.abort();
    throw error;
  }
  return writer;
}

/** A file and its bytes that are not written yet. */
interface Shard {
  readonly file: ShardFile;
  missing: number;
  completed: boolean;
  wasThere: boolean;
}

interface Slot {
  readonly tensor: PlacedTensor;
  readonly shard: Shard;
  /** Ranges `[start, end)` that were written. One that continues the last is joined to it. */
  readonly written: [number, number][];
  isRestored: boolean;
}

class Writer implements ShardWriter {
  readonly #folder: string;
  readonly #options: ShardOptions;
  readonly #room: number;
  readonly #slots = new Map<string, Slot>();
  readonly #shards = new Map<string, Shard>();
  readonly #files = new Map<string, WrittenFile>();
  /** Shards are hashed and handed on one after the other. Never rejects. */
  #completing: Promise<void> = Promise.resolve();
  readonly #failures: unknown[] = [];
  #aborted = false;

  constructor(folder: string, layouts: readonly ShardLayout[], options: ShardOptions) {
    this.#folder = folder;
    this.#options = options;
    this.#room = options.room ?? layouts.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const layout of layouts) {
      const missing = layout.tensors.reduce((sum, { bytes }) => sum + bytes, 0);
      const file = new ShardFile(folder, layout);
      const shard = { file, missing, completed: false, wasThere: false };
      this.#shards.set(layout.file, shard);
      for (const tensor of layout.tensors)
        this.#slots.set(tensor.name, { tensor, shard, written: [], isRestored: false });
    }
  }

  async create(): Promise<void> {
    const { continues = false, distant = [] } = this.#options;
    await this.#onDisk(() => mkdir(this.#folder, { recursive: true }));
    if (!continues) await requireRoom([{ folder: this.#folder, bytes: this.#room }]);
    for (const [name, shard] of this.#shards) {
      const { file } = shard;
      const elsewhere = distant.find((one) => one.file === name);
      if (elsewhere !== undefined) {
        await this.#onDisk(() => this.#takeOver(shard, elsewhere));
        continue;
      }
      shard.wasThere = continues && (await this.#onDisk(() => file.find()));
      if (!shard.wasThere) await this.#onDisk(() => file.create());
    }
  }

  /** A complete shard is not fetched again if the folder still has it. */
  async #takeOver(shard: Shard, { bytes, sha256, fetch }: DistantShard): Promise<void> {
    const { file } = shard;
    const isHere = (await file.find()) && (await file.hash()) === sha256;
    if (!isHere) await file.leave(fetch);
    this.#files.set(file.layout.file, { bytes, sha256 });
    shard.completed = true;
    for (const { name } of file.layout.tensors) this.#slots.get(name)!.isRestored = true;
  }

  async write(name: string, byteOffset: number, bytes: Uint8Array): Promise<void> {
    this.#throwFailure();
    const slot = this.#slotOf(name, byteOffset, bytes.length);
    if (bytes.length === 0 || slot.isRestored) return;
    const { shard } = slot;
    if (shard.completed)
      throw bug(`${name}: bytes ${byteOffset} to ${byteOffset + bytes.length} were written twice`);
    await this.#onDisk(() => shard.file.write(bytes, slot.tensor.offset + byteOffset));
    const last = slot.written.at(-1);
    const end = byteOffset + bytes.length;
    if (last && last[1] === byteOffset) last[1] = end;
    else slot.written.push([byteOffset, end]);
    shard.missing -= bytes.length;
    if (shard.missing === 0) this.#complete(shard);
  }

  async fill(name: string, byteOffset: number, bytes: Uint8Array): Promise<void> {
    this.#throwFailure();
    const { shard, tensor, isRestored } = this.#slotOf(name, byteOffset, bytes.length);
    if (isRestored) return;
    if (shard.completed) throw bug(`${name} is there already`);
    await this.#onDisk(() => shard.file.write(bytes, tensor.offset + byteOffset));
  }

  has(name: string): boolean {
    return this.#slotOf(name, 0, 0).isRestored;
  }

  restore(name: string): void {
    const slot = this.#slotOf(name, 0, 0);
    if (slot.isRestored) return;
    const { bytes } = slot.tensor;
    const before = slot.written.reduce((sum, [start, end]) => sum + end - start, 0);
    slot.isRestored = true;
    slot.written.splice(0, slot.written.length, [0, bytes]);
    slot.shard.missing -= bytes - before;
    if (slot.shard.missing === 0) this.#complete(slot.shard);
  }

  wasThere(file: string): boolean {
    return this.#shards.get(file)!.wasThere;
  }

  /** Throws INTERNAL unless each byte of the shard was written once. */
  #complete(shard: Shard): void {
    if (shard.completed) return;
    for (const { name } of shard.file.layout.tensors) checkCovered(this.#slots.get(name)!);
    shard.completed = true;
    this.#completing = this.#completing
      .then(() => this.#handOn(shard))
      .catch((error) => void this.#failures.push(error));
  }

  async #handOn({ file }: Shard): Promise<void> {
    if (this.#failures.length > 0) return;
    const { layout } = file;
    const [sha256] = await this.#onDisk(() => Promise.all([file.hash(), file.sync()]));
    const written = { bytes: layout.bytes, sha256 };
    this.#files.set(layout.file, written);
    await this.#options.onShard?.(layout.file, written);
  }

  #throwFailure(): void {
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  async read(name: string, byteOffset: number, into: Uint8Array): Promise<void> {
    const { shard, tensor } = this.#slotOf(name, byteOffset, into.length);
    await this.#onDisk(() => shard.file.read(into, tensor.offset + byteOffset));
  }

  async sync(): Promise<void> {
    await this.#completing;
    this.#throwFailure();
    for (const { file } of this.#shards.values()) await this.#onDisk(() => file.sync());
  }

  async leave(name: string, fetch: FetchShard): Promise<void> {
    const shard = this.#shards.get(name)!;
    if (!this.#files.has(name)) throw bug(`${name} is not complete`);
    await this.#onDisk(() => shard.file.leave(fetch));
  }

  async finish(): Promise<Record<string, WrittenFile>> {
    if (this.#aborted) throw bug("finish after abort");
    for (const shard of this.#shards.values()) this.#complete(shard);
    await this.#completing;
    this.#throwFailure();
    for (const { file } of this.#shards.values()) await this.#onDisk(() => file.close());
    return Object.fromEntries(
      [...this.#shards.keys()].map((name) => [name, this.#files.get(name)!]),
    );
  }

  async abort(): Promise<void> {
    this.#aborted = true;
    this.#failures.push(bug("aborted"));
    await this.#completing;
    for (const { file } of this.#shards.values()) {
      if (this.#options.continues === true) await file.close().catch(() => {});
      else if (file.isOurs) await file.remove();
    }
    this.#slots.clear();
  }

  /** Throws INTERNAL where the tensor has no such bytes. */
  #slotOf(name: string, start: number, length: number): Slot {
    const slot = this.#slots.get(name);
    if (!slot) throw bug(`no tensor ${name} in the layout`);
    const end = start + length;
    if (start >= 0 && end <= slot.tensor.bytes) return slot;
    throw bug(`bytes ${start} to ${end} of ${name}, which has ${slot.tensor.bytes}`);
  }

  async #onDisk<T>(operation: () => Promise<T>): Promise<T> {
    try {
      return await operation();
    } catch (cause) {
      throw await diskError(cause, this.#folder, this.#room);
    }
  }
}

function checkCovered({ tensor, written }: Slot): void {
  let reached = 0;
  for (const [start, end] of written.sort(([a], [b]) => a - b)) {
    if (start > reached)
      throw bug(`${tensor.name}: bytes ${reached} to ${start} were never written`);
    if (start < reached)
      throw bug(`${tensor.name}: bytes ${start} to ${Math.min(end, reached)} were written twice`);
    reached = end;
  }
  if (reached !== tensor.bytes)
    throw bug(`${tensor.name}: bytes ${reached} to ${tensor.bytes} were never written`);
}

function bug(problem: string): OqeError {
  return new OqeError("INTERNAL", `shard writer: ${problem}`);
}
