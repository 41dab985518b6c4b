import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { grouped } from "../ground/digits.ts";
import { diskError, makeFolder } from "../ground/disk.ts";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";
import { bytesOf, type Floats, type Matrix, newMatrix, rowsOf } from "../kernel/matrix.ts";
import type { KeptBytes } from "../models/reread-weights.ts";
import type { KeepStates, KeptStates } from "../models/rider.ts";
import { openRunFolder, type RunFolder, removeAbandoned } from "./run-folder.ts";

/** Bytes that are written or read at once. */
const pieceBytes = 16 << 20;

export interface StateStoreOptions {
  /** Folder that files may be made in. It is created when the first of them is needed. */
  readonly folder: string;
  /** Bytes of hidden states that may stay in memory between two blocks. */
  readonly memory: number;
  readonly report: Pick<Report, "info">;
}

/**
 * Keeps hidden states for the time of `use`: in memory up to a limit, beyond it in files; and
 * weights in files. A file is deleted when it has been read, and all of them at the end. Files of
 * killed runs are deleted. Values are kept exactly, so no result depends on the limit.
 *
 * States are taken in the order in which they were kept. While a rider passes a block, the states
 * of the one before it are written, and those of the next are read, where the limit has room for
 * both. Throws DISK, naming the folder and the bytes: at the latest at the next call.
 */
export async function withStates<T>(
  options: StateStoreOptions,
  use: (keep: KeepStates, keepWeights: KeepAnyBytes) => Promise<T>,
): Promise<T> {
  const store = new StateStore(options);
  await removeAbandoned(options.folder, names);
  try {
    return await use(
      (x) => store.keep(x),
      (bytes) => store.keepWeights(bytes),
    );
  } finally {
    await store.close();
  }
}

/** As `KeepBytes`, also for bytes that no other thread sees. */
export type KeepAnyBytes = (bytes: Uint8Array) => Promise<KeptBytes>;

/** Hidden states in a file. */
interface InFile {
  readonly rows: number;
  readonly columns: number;
  readonly kept: Promise<KeptBytes>;
}

/** What a file has, for errors. */
interface Kept {
  readonly bytes: number;
  readonly kind: string;
}

class StateStore {
  readonly #options: StateStoreOptions;
  /** Bytes of hidden states in memory: kept, being written, and read ahead. */
  #inMemory = 0;
  #files = 0;
  #bytesInFiles = 0;
  /** The folder of the files; null until there is a first. */
  #folder: Promise<RunFolder> | null = null;
  /** What is in files, in the order in which it was kept. */
  readonly #queue = new Set<InFile>();
  /** The write that nobody waits for. It never rejects. */
  #writing: Promise<void> | null = null;
  /** What is read before it is asked for. */
  #ahead: { readonly of: InFile; readonly states: Promise<Matrix> } | null = null;
  /** Failures of that write and of that read. */
  readonly #failures: unknown[] = [];

  constructor(options: StateStoreOptions) {
    this.#options = options;
  }

  async keep(x: Matrix): Promise<KeptStates> {
    this.#throwFailure();
    const bytes = x.data.byteLength;
    if (!this.#hasRoom(bytes + this.#roomForFiles(bytes))) return this.#keepInFile(x);
    this.#inMemory += bytes;
    return {
      take: async () => {
        this.#throwFailure();
        this.#inMemory -= bytes;
        this.#readAhead();
        return x;
      },
      range: async (start, end) => rowsOf(x, start, end),
    };
  }

  #hasRoom(bytes: number): boolean {
    return this.#inMemory + bytes <= this.#options.memory;
  }

  /** Once there are files: room for one that is written, and one that is read ahead. */
  #roomForFiles(bytes: number): number {
    return this.#files > 0 && 3 * bytes <= this.#options.memory ? 2 * bytes : 0;
  }

  #throwFailure(): void {
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#ahead?.states.catch(() => {});
    if (this.#bytesInFiles > 0) {
      const how = `${grouped(this.#bytesInFiles)} bytes of hidden states were kept in files`;
      this.#options.report.info(`${how} below ${this.#options.folder}`);
    }
    const folder = await this.#folder?.catch(() => null);
    await folder?.close();
  }

  async #keepInFile({ data, rows, columns }: Matrix): Promise<KeptStates> {
    this.#bytesInFiles += data.byteLength;
    const file: InFile = { rows, columns, ...(await this.#startWriting(data)) };
    this.#queue.add(file);
    return {
      take: () => this.#take(file),
      range: async (start, end) => {
        this.#throwFailure();
        return readRows(file, start, end);
      },
    };
  }

  /** Without room for two states, these must be written before the rider goes on. */
  async #startWriting(data: Floats): Promise<Pick<InFile, "kept">> {
    const bytes = data.byteLength;
    while (this.#writing !== null) await this.#writing;
    this.#throwFailure();
    const isBehind = this.#hasRoom(bytes);
    const kept = this.#keepBytes(bytesOf(data), "hidden states");
    if (!isBehind) {
      await kept;
      return { kept };
    }
    this.#inMemory += bytes;
    this.#writing = kept
      .then(() => {}, this.#fail)
      .then(() => {
        this.#inMemory -= bytes;
        this.#writing = null;
      });
    return { kept };
  }

  async #take(file: InFile): Promise<Matrix> {
    this.#throwFailure();
    this.#queue.delete(file);
    const ahead = this.#ahead?.of === file ? this.#ahead.states : null;
    if (ahead !== null) {
      this.#ahead = null;
      this.#inMemory -= sizeOf(file); // they are the rider's now
    }
    const x = await (ahead ?? readRows(file, 0, file.rows));
    this.#readAhead();
    await (await file.kept).drop();
    return x;
  }

  /** Starts to read what is taken next. */
  #readAhead(): void {
    const [next] = this.#queue;
    if (next === undefined || this.#ahead !== null || !this.#hasRoom(sizeOf(next))) return;
    this.#inMemory += sizeOf(next);
    const states = readRows(next, 0, next.rows);
    states.catch(this.#fail);
    this.#ahead = { of: next, states };
  }

  readonly #fail = (error: unknown) => void this.#failures.push(error);

  keepWeights(bytes: Uint8Array): Promise<KeptBytes> {
    return this.#keepBytes(bytes, "weights");
  }

  /** The result must not refer to the bytes, so that they can be freed. */
  async #keepBytes(bytes: Uint8Array, kind: string): Promise<KeptBytes> {
    const what = { bytes: bytes.length, kind };
    return this.#openFile(await this.#write(bytes, what), what);
  }

  #write(bytes: Uint8Array, what: Kept): Promise<string> {
    const number = this.#files++;
    return this.#onDisk(what, async () => {
      this.#folder ??= this.#makeFolder();
      const file = join((await this.#folder).path, String(number));
      try {
        await withFile(file, "wx", (handle) => writeAll(handle, bytes));
      } catch (error) {
        await rm(file, { force: true }).catch(() => {}); // a part of it may be written
        throw error;
      }
      return file;
    });
  }

  #openFile(path: string, what: Kept): KeptBytes {
    return {
      read: (into, from = 0) =>
        this.#onDisk(what, () =>
          withFile(path, "r", (handle) => readAll(handle, into, { path, from })),
        ),
      drop: () => this.#onDisk(what, () => rm(path)),
    };
  }

  async #makeFolder(): Promise<RunFolder> {
    const { folder } = this.#options;
    await makeFolder(folder);
    return openRunFolder(folder, names);
  }

  async #onDisk<T>({ bytes, kind }: Kept, run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (cause) {
      const error = await diskError(cause, this.#options.folder, bytes);
      if (!(error instanceof OqeError) || error.code !== "DISK") throw error;
      throw new OqeError(
        "DISK",
        `${bytes} bytes of ${kind} cannot be kept: ${error.message}`,
        "Free disk space, choose another work folder, or raise memory-limit.",
        cause,
      );
    }
  }
}

function sizeOf({ rows, columns }: InFile): number {
  return 4 * rows * columns;
}

async function readRows({ kept, columns }: InFile, start: number, end: number): Promise<Matrix> {
  const file = await kept;
  const x = newMatrix(end - start, columns);
  await file.read(bytesOf(x.data), 4 * columns * start);
  return x;
}

/** The names of folders of files. */
const names = { prefix: ".hidden-states.", suffix: "" };

async function withFile(
  path: string,
  flags: "r" | "wx",
  use: (handle: FileHandle) => Promise<void>,
): Promise<void> {
  const handle = await open(path, flags);
  try {
    await use(handle);
  } finally {
    await handle.close();
  }
}

/** Writes all bytes: a nearly full disk writes a part of them before it fails. */
async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const size = Math.min(pieceBytes, bytes.length - at);
    at += (await handle.write(bytes, at, size, at)).bytesWritten;
  }
}

/** Reads bytes of a file from `from` on. */
async function readAll(
  handle: FileHandle,
  into: Uint8Array,
  { path, from }: { readonly path: string; readonly from: number },
): Promise<void> {
  const end = from + into.length;
  for (let at = from; at < end; ) {
    const size = Math.min(pieceBytes, end - at);
    const { bytesRead } = await handle.read(into, at - from, size, at);
    if (bytesRead === 0)
      throw new OqeError("DISK", `${path} became shorter: it has ${at} of ${end} bytes`);
    at += bytesRead;
  }
}
