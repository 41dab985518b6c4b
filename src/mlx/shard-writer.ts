import { createHash } from "node:crypto";
import { type FileHandle, mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { diskError, requireRoom } from "../ground/disk.ts";
import { OqeError } from "../ground/errors.ts";
import type { PlacedTensor, ShardLayout } from "./layout.ts";

const CHUNK = 4 << 20;

export interface WrittenFile {
  readonly bytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

/** Told of each shard as soon as it is complete, one after the other. Nothing changes it later. */
export type OnShard = (file: string, written: WrittenFile) => Promise<void> | void;

/**
 * Fills files in any order. A file whose bytes are all there is flushed to disk, hashed and handed
 * on while others are filled. It can still be read. After `finish` or `abort` nothing can be used
 * any more.
 */
export interface ShardWriter {
  /**
   * Writes bytes at `byteOffset` within a tensor. They may lie over a SharedArrayBuffer, and must
   * not change until the promise settles.
   */
  write(tensor: string, byteOffset: number, bytes: Uint8Array): Promise<void>;
  /** Reads bytes `[byteOffset, byteOffset + into.length)` of a tensor as they were written. */
  read(tensor: string, byteOffset: number, into: Uint8Array): Promise<void>;
  /** Checks that each byte was written once, and waits for the last files. */
  finish(): Promise<Record<string, WrittenFile>>;
  /** Removes the files. May be called at any time, after a failure, and twice. */
  abort(): Promise<void>;
}

/**
 * Creates the files of `layouts` at full size and writes their headers. Makes `folder` where it is
 * missing. Throws DISK for missing disk space or permission, NOT_OURS where a file exists already;
 * either way it leaves no file behind.
 */
export async function createShards(
  folder: string,
  layouts: readonly ShardLayout[],
  onShard: OnShard = () => {},
): Promise<ShardWriter> {
  const writer = new Writer(folder, layouts, onShard);
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
  readonly layout: ShardLayout;
  readonly handle: FileHandle;
  missing: number;
  completed: boolean;
}

interface Slot {
  readonly tensor: PlacedTensor;
  readonly shard: Shard;
  /** Ranges `[start, end)` that were written. One that continues the last is joined to it. */
  readonly written: [number, number][];
}

class Writer implements ShardWriter {
  private readonly folder: string;
  private readonly layouts: readonly ShardLayout[];
  private readonly needed: number;
  private readonly handles = new Map<string, FileHandle>();
  private readonly slots = new Map<string, Slot>();
  private readonly onShard: OnShard;
  private readonly shards: Shard[] = [];
  private readonly files = new Map<string, WrittenFile>();
  /** Shards are hashed and handed on one after the other. Never rejects. */
  private completing: Promise<void> = Promise.resolve();
  private readonly failures: unknown[] = [];

  constructor(folder: string, layouts: readonly ShardLayout[], onShard: OnShard) {
    this.onShard = onShard;
    this.folder = folder;
    this.layouts = layouts;
    this.needed = layouts.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  async create(): Promise<void> {
    await this.onDisk(() => mkdir(this.folder, { recursive: true }));
    await requireRoom([{ folder: this.folder, bytes: this.needed }]);
    for (const layout of this.layouts) {
      const handle = await this.openNew(layout.file);
      await this.onDisk(() => handle.truncate(layout.bytes));
      await this.put(handle, layout.header, 0);
      const missing = layout.tensors.reduce((sum, { bytes }) => sum + bytes, 0);
      const shard = { layout, handle, missing, completed: false };
      this.shards.push(shard);
      for (const tensor of layout.tensors)
        this.slots.set(tensor.name, { tensor, shard, written: [] });
    }
  }

  async write(name: string, byteOffset: number, bytes: Uint8Array): Promise<void> {
    this.throwFailure();
    const slot = this.slotOf(name, byteOffset, bytes.length);
    if (bytes.length === 0) return;
    const { shard } = slot;
    if (shard.completed)
      throw bug(`${name}: bytes ${byteOffset} to ${byteOffset + bytes.length} were written twice`);
    await this.put(shard.handle, bytes, slot.tensor.offset + byteOffset);
    const last = slot.written.at(-1);
    const end = byteOffset + bytes.length;
    if (last && last[1] === byteOffset) last[1] = end;
    else slot.written.push([byteOffset, end]);
    shard.missing -= bytes.length;
    if (shard.missing === 0) this.complete(shard);
  }

  /** Throws INTERNAL unless each byte of the shard was written once. */
  private complete(shard: Shard): void {
    for (const { name } of shard.layout.tensors) checkCovered(this.slots.get(name)!);
    shard.completed = true;
    this.completing = this.completing
      .then(() => this.handOn(shard))
      .catch((error) => void this.failures.push(error));
  }

  private async handOn({ layout: { file, bytes }, handle }: Shard): Promise<void> {
    if (this.failures.length > 0) return;
    await this.onDisk(() => handle.sync());
    const written = { bytes, sha256: await this.onDisk(() => hashFile(handle, bytes)) };
    this.files.set(file, written);
    await this.onShard(file, written);
  }

  private throwFailure(): void {
    if (this.failures.length > 0) throw this.failures[0];
  }

  async read(name: string, byteOffset: number, into: Uint8Array): Promise<void> {
    const { shard, tensor } = this.slotOf(name, byteOffset, into.length);
    for (let done = 0; done < into.length; ) {
      const position = tensor.offset + byteOffset + done;
      const { bytesRead } = await this.onDisk(() =>
        shard.handle.read(into, done, into.length - done, position),
      );
      if (bytesRead === 0) throw bug("a shard became shorter while it was read");
      done += bytesRead;
    }
  }

  async finish(): Promise<Record<string, WrittenFile>> {
    if (this.handles.size < this.layouts.length) throw bug("finish after abort");
    for (const shard of this.shards) if (!shard.completed) this.complete(shard);
    await this.completing;
    this.throwFailure();
    for (const handle of this.handles.values()) await this.onDisk(() => handle.close());
    return Object.fromEntries(this.layouts.map(({ file }) => [file, this.files.get(file)!]));
  }

  async abort(): Promise<void> {
    this.failures.push(bug("aborted"));
    await this.completing;
    for (const [file, handle] of this.handles) {
      await handle.close().catch(() => {});
      await rm(join(this.folder, file), { force: true });
    }
    this.handles.clear();
    this.slots.clear();
  }

  /** Throws INTERNAL where the tensor has no such bytes. */
  private slotOf(name: string, start: number, length: number): Slot {
    const slot = this.slots.get(name);
    if (!slot) throw bug(`no tensor ${name} in the layout`);
    const end = start + length;
    if (start >= 0 && end <= slot.tensor.bytes) return slot;
    throw bug(`bytes ${start} to ${end} of ${name}, which has ${slot.tensor.bytes}`);
  }

  private async openNew(file: string): Promise<FileHandle> {
    const path = join(this.folder, file);
    const handle = await open(path, "wx+").catch(async (cause) => {
      if (cause.code !== "EEXIST") throw await diskError(cause, this.folder, this.needed);
      throw new OqeError(
        "NOT_OURS",
        `${path} exists already`,
        "Choose an empty folder, or remove the file.",
        cause,
      );
    });
    this.handles.set(file, handle);
    return handle;
  }

  /** Writes all bytes: a nearly full disk writes a part of them before it fails. */
  private put(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
    return this.onDisk(async () => {
      for (let done = 0; done < bytes.length; ) {
        done += (await handle.write(bytes, done, bytes.length - done, position + done))
          .bytesWritten;
      }
    });
  }

  private async onDisk<T>(operation: () => Promise<T>): Promise<T> {
    try {
      return await operation();
    } catch (cause) {
      throw await diskError(cause, this.folder, this.needed);
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

async function hashFile(handle: FileHandle, size: number): Promise<string> {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(Math.min(CHUNK, size));
  for (let at = 0; at < size; ) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) throw bug("a shard became shorter while it was hashed");
    hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
  return hash.digest("hex");
}

function bug(problem: string): OqeError {
  return new OqeError("INTERNAL", `shard writer: ${problem}`);
}
