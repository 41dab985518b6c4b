import { createHash } from "node:crypto";
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { OqeError } from "../ground/errors.ts";
import type { ShardLayout } from "./layout.ts";

const CHUNK = 4 << 20;

/** Written bytes after which a flush begins, so that the last one finds little to do. */
const flushBetween = 32 << 20;

/** Brings a file that lies elsewhere to `path`. Checks its bytes. */
export type FetchShard = (path: string) => Promise<void>;

/** One shard on disk. It may lie elsewhere, and is then fetched when it is read. */
export class ShardFile {
  readonly layout: ShardLayout;
  readonly path: string;
  #handle: FileHandle | null = null;
  #fetch: FetchShard | null = null;
  #fetching: Promise<FileHandle> | null = null;
  #unflushed = 0;
  /** A flush in the background. It never rejects: `sync` throws its failure. */
  #flushing: Promise<void> | null = null;
  readonly #failures: unknown[] = [];
  /** Whether the file at its path was made by us. */
  isOurs = false;

  constructor(folder: string, layout: ShardLayout) {
    this.layout = layout;
    this.path = join(folder, layout.file);
  }

  /** Creates it at full size, with its header. Throws NOT_OURS where a file exists. */
  async create(): Promise<void> {
    this.#handle = await open(this.path, "wx+").catch((cause) => {
      if (cause.code !== "EEXIST") throw cause;
      throw new OqeError(
        "NOT_OURS",
        `${this.path} exists already`,
        "Choose an empty folder, or remove the file.",
        cause,
      );
    });
    this.isOurs = true;
    await this.#handle.truncate(this.layout.bytes);
    await this.write(this.layout.header, 0);
  }

  /**
   * Opens it as an earlier run left it. False if there is no file with the size and the header of
   * the layout; another file at its place is removed.
   */
  async find(): Promise<boolean> {
    const { bytes, header } = this.layout;
    this.#handle = await open(this.path, "r+").catch((cause) => {
      if (cause.code !== "ENOENT") throw cause;
      return null;
    });
    if (this.#handle === null) return false;
    const found = new Uint8Array(header.length);
    const isWhole = (await this.#handle.stat()).size === bytes;
    if (isWhole) await this.read(found, 0);
    if (isWhole && Buffer.compare(found, header) === 0) return true;
    await this.remove();
    return false;
  }

  /** It lies elsewhere from now on: removes the file here. */
  async leave(fetch: FetchShard): Promise<void> {
    this.#fetch = fetch;
    await this.remove();
  }

  /** Writes all bytes: a nearly full disk writes a part of them before it fails. */
  async write(bytes: Uint8Array, position: number): Promise<void> {
    const handle = await this.#opened();
    for (let done = 0; done < bytes.length; ) {
      const left = bytes.length - done;
      done += (await handle.write(bytes, done, left, position + done)).bytesWritten;
    }
    this.#unflushed += bytes.length;
    if (this.#unflushed >= flushBetween) this.#flush(handle);
  }

  #flush(handle: FileHandle): void {
    if (this.#flushing !== null) return;
    this.#unflushed = 0;
    this.#flushing = handle
      .datasync()
      .catch((error) => void this.#failures.push(error))
      .finally(() => {
        this.#flushing = null;
      });
  }

  async read(into: Uint8Array, position: number): Promise<void> {
    const handle = await this.#opened();
    for (let done = 0; done < into.length; ) {
      const left = into.length - done;
      const { bytesRead } = await handle.read(into, done, left, position + done);
      if (bytesRead === 0) throw new OqeError("DISK", `${this.path} became shorter`);
      done += bytesRead;
    }
  }

  /** Flushes it to the disk. */
  async sync(): Promise<void> {
    await this.#flushing;
    // A disk reports a failure once, so that the next flush would succeed.
    if (this.#failures.length > 0) throw this.#failures[0];
    await this.#handle?.sync();
  }

  /** SHA-256 of the whole file, in lower-case hex. */
  async hash(): Promise<string> {
    const hash = createHash("sha256");
    const { bytes } = this.layout;
    const buffer = new Uint8Array(Math.min(CHUNK, bytes));
    for (let at = 0; at < bytes; at += buffer.length) {
      const some = buffer.subarray(0, Math.min(buffer.length, bytes - at));
      await this.read(some, at);
      hash.update(some);
    }
    return hash.digest("hex");
  }

  async close(): Promise<void> {
    const handle = this.#handle ?? (await this.#fetching?.catch(() => null)) ?? null;
    this.#handle = null;
    this.#fetching = null;
    await handle?.close();
  }

  async remove(): Promise<void> {
    await this.close().catch(() => {});
    await rm(this.path, { force: true });
  }

  async #opened(): Promise<FileHandle> {
    if (this.#handle !== null) return this.#handle;
    if (this.#fetch === null) throw new OqeError("INTERNAL", `${this.path} is not open`);
    this.#fetching ??= this.#bring(this.#fetch);
    return this.#fetching;
  }

  async #bring(fetch: FetchShard): Promise<FileHandle> {
    await fetch(this.path);
    return open(this.path, "r");
  }
}
