import { OqeError } from "../ground/errors.ts";

/** Random access to the bytes of one file. A read past the end throws BAD_CHECKPOINT. */
export interface ByteSource {
  /** For messages: a path or `org/name@commit/file`. */
  readonly name: string;
  readonly size: number;
  /** `into`: a buffer of exactly `length` bytes to fill instead of a new one. */
  read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array>;
  /** The same over another connection and past caches, for bytes that turned out to be wrong. */
  readAgain?(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array>;
}

/** A model repository in one fixed state: a folder, or a commit on the Hub. */
export interface Repository {
  /** `org/name` on the Hub; null for a folder. */
  readonly id: string | null;
  /** Last part of the id, or the folder's name. The tiers' repositories are named after it. */
  readonly name: string;
  /**
   * On the Hub a commit (40 hex). Of a folder the commit in its snapshot path, else `sha256:` and a
   * fingerprint (fingerprint.ts).
   */
  readonly revision: string;
  /** Files with their sizes in bytes, sorted by path. */
  readonly files: ReadonlyMap<string, number>;
  /** SHA-256 of the files whose listing has it: on the Hub, the files in large-file storage. */
  readonly sha256?: ReadonlyMap<string, string>;
  /** Git's blob ids of the other files, where the listing has them. */
  readonly blobs?: ReadonlyMap<string, string>;
  /** Opens a file of `files`. Throws MISSING_FILE for another name. */
  open(path: string): Promise<ByteSource>;
  /** Closes file handles. The repository stays usable and opens its files again when asked. */
  close?(): Promise<void>;
}

/** Reads a whole small file as text. Throws BAD_CHECKPOINT for one above `limit` bytes. */
export async function readText(
  repository: Repository,
  path: string,
  limit = 64 << 20,
): Promise<string> {
  return new TextDecoder("utf-8").decode(await readBytes(repository, path, limit));
}

/** Most bytes of a file that is read whole. */
export const mostWhole = 256 << 20;

/** Reads a whole small file. Throws BAD_CHECKPOINT for one above `limit` bytes. */
export async function readBytes(
  repository: Repository,
  path: string,
  limit = mostWhole,
): Promise<Uint8Array> {
  const source = await repository.open(path);
  if (source.size > limit) {
    throw new OqeError(
      "BAD_CHECKPOINT",
      `${source.name} is ${source.size} bytes; at most ${limit} are read of such a file`,
    );
  }
  return source.read(0, source.size);
}
