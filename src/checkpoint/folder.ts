import { type FileHandle, open, readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, sep } from "node:path";
import { OqeError } from "../ground/errors.ts";
import { reasonOf } from "../ground/reasons.ts";
import { fingerprint } from "./fingerprint.ts";
import { quote } from "./json.ts";
import type { ByteSource, Repository } from "./repository.ts";

/** A model folder has dozens of files. A folder with more than this is not a model folder. */
const MAX_FILES = 10_000;
/** The operating system reads at most 2^31 bytes at once. */
const MAX_READ = 1 << 30;

/**
 * Opens a folder as a repository. Lists regular files at any depth, except those below dot-folders.
 * Symbolic links may not leave the folder, except in the Hugging Face cache
 * (`models--org--name/snapshots/<commit>`), where they point to `../../blobs`. Throws NOT_FOUND for
 * a path that is not a readable folder, BAD_INPUT for a link that leaves it.
 */
export async function openFolder(path: string): Promise<Repository> {
  const root = await resolveFolder(path);
  const files = await listFiles(root).catch((cause) => {
    if (cause instanceof OqeError) throw cause;
    throw new OqeError(
      "NOT_FOUND",
      `${root} cannot be listed: ${reasonOf(cause)}`,
      "Check its permissions.",
      cause,
    );
  });
  const folder = new Folder(root, files);
  const revision =
    commitOf(root) ??
    (await fingerprint(folder).catch(async (error) => {
      await folder.close();
      throw error;
    }));
  return {
    id: null,
    name: nameOf(root),
    revision,
    files,
    open: (file) => folder.open(file),
    close: () => folder.close(),
  };
}

/** Files of a folder, each opened once. */
class Folder {
  readonly files: ReadonlyMap<string, number>;
  private readonly root: string;
  private readonly sources = new Map<string, Promise<FileSource>>();

  constructor(root: string, files: ReadonlyMap<string, number>) {
    this.root = root;
    this.files = files;
  }

  async open(file: string): Promise<ByteSource> {
    const size = this.files.get(file);
    if (size === undefined) {
      throw new OqeError(
        "MISSING_FILE",
        `${this.root} has no file ${quote(file)}`,
        "Is this the whole model folder?",
      );
    }
    const source = this.sources.get(file) ?? FileSource.open(join(this.root, file), size);
    this.sources.set(file, source);
    return source;
  }

  async close(): Promise<void> {
    const sources = [...this.sources.values()];
    this.sources.clear();
    for (const source of await Promise.allSettled(sources))
      if (source.status === "fulfilled") await source.value.close();
  }
}

async function resolveFolder(path: string): Promise<string> {
  const missing = (why: string, cause?: unknown) =>
    new OqeError(
      "NOT_FOUND",
      `${path} ${why}`,
      "Name a model folder, or a model on the Hub as org/name.",
      cause,
    );
  try {
    const root = await realpath(path);
    if ((await stat(root)).isDirectory()) return root;
  } catch (cause) {
    throw missing("does not exist or cannot be read", cause);
  }
  throw missing("is not a folder");
}

async function listFiles(root: string): Promise<ReadonlyMap<string, number>> {
  const found: [string, number][] = [];
  const folders = [""];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory() && !entry.name.startsWith(".")) folders.push(path);
      if (!entry.isFile() && !entry.isSymbolicLink()) continue;
      const target = entry.isSymbolicLink() ? await resolveLink(root, path) : join(root, path);
      const status = await stat(target);
      if (status.isFile()) found.push([path, status.size]);
      if (found.length > MAX_FILES) {
        throw new OqeError(
          "BAD_INPUT",
          `${root} holds more than ${MAX_FILES} files`,
          "Name a folder that holds one model.",
        );
      }
    }
  }
  return new Map(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Target of the link at `path`. Throws unless it is in the folder or in the blobs of its cache. */
async function resolveLink(root: string, path: string): Promise<string> {
  const target = await realpath(join(root, path)).catch((cause) => {
    throw new OqeError(
      "BAD_CHECKPOINT",
      `${join(root, path)} is a link to nothing`,
      "Download the model again.",
      cause,
    );
  });
  const blobs = commitOf(root) === undefined ? undefined : join(dirname(dirname(root)), "blobs");
  if ([root, blobs].some((home) => home !== undefined && target.startsWith(home + sep)))
    return target;
  throw new OqeError(
    "BAD_INPUT",
    `${join(root, path)} is a link that leaves the model folder`,
    "Copy the file into the folder; only the Hugging Face cache may hold links, to its own blobs.",
  );
}

/** The commit in `…/snapshots/<40 hex>`. */
function commitOf(root: string): string | undefined {
  return basename(dirname(root)) === "snapshots"
    ? /^[0-9a-f]{40}$/.exec(basename(root))?.[0]
    : undefined;
}

/** The folder's own name; in the cache, `name` of `models--org--name`. */
function nameOf(root: string): string {
  const repo = commitOf(root) === undefined ? "" : basename(dirname(dirname(root)));
  return repo.startsWith("models--") ? repo.split("--").at(-1)! : basename(root);
}

class FileSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  private readonly handle: FileHandle;

  private constructor(name: string, size: number, handle: FileHandle) {
    this.name = name;
    this.size = size;
    this.handle = handle;
  }

  static async open(path: string, size: number): Promise<FileSource> {
    const handle = await open(path, "r").catch((cause) => {
      throw new OqeError(
        "MISSING_FILE",
        `${path} cannot be opened: ${cause.code}`,
        "Check the file's permissions.",
        cause,
      );
    });
    return new FileSource(path, size, handle);
  }

  async read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    if (offset < 0 || length < 0 || !(offset + length <= this.size)) {
      throw new OqeError(
        "BAD_CHECKPOINT",
        `${this.name}: bytes ${offset} to ${offset + length} were asked for, ` +
          `the file has ${this.size}`,
      );
    }
    const bytes = into ?? new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const { bytesRead } = await this.handle.read(
        bytes,
        done,
        Math.min(length - done, MAX_READ),
        offset + done,
      );
      if (bytesRead === 0) {
        const got = `expected ${this.size} bytes, got ${offset + done}`;
        throw new OqeError(
          "BAD_CHECKPOINT",
          `${this.name} became shorter while it was read: ${got}`,
        );
      }
      done += bytesRead;
    }
    return bytes;
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}
