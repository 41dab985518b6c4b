import { OqeError } from "../ground/errors.ts";

/** Random access to the bytes of one file. Reads past the end are a BAD_CHECKPOINT error, never short. */
export interface ByteSource {
  /** For messages: a path or `org/name@commit/file`. */
  readonly name: string;
  readonly size: number;
  /** Fills `into`, of exactly `length` bytes, where one is given: a walk over gigabytes reuses its buffers. */
  read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array>;
}

/** A model repository at one fixed state: a folder, or a commit on the Hub. Every byte of a run comes from it. */
export interface Repository {
  /** `org/name` on the Hub; null for a folder. */
  readonly id: string | null;
  /** Last part of the id, or the folder's name: what tier repos are named after. */
  readonly name: string;
  /** Commit (40 hex) on the Hub. A folder: the commit of its snapshot path if it is one, else `sha256:` of config and headers. */
  readonly revision: string;
  /** Files with their sizes in bytes, sorted by path. */
  readonly files: ReadonlyMap<string, number>;
  /** SHA-256 of some of them, where a listing tells: on the Hub of those in large-file storage. */
  readonly sha256?: ReadonlyMap<string, string>;
  /** Opens a file of `files`. Throws MISSING_FILE for another name. */
  open(path: string): Promise<ByteSource>;
  /** Lets go of file handles. The repository stays usable: it opens its files again when asked. */
  close?(): Promise<void>;
}

/** Whole small file as text (config, tokenizer, licence). `limit` guards memory against a lying listing. */
export async function readText(
  repository: Repository,
  path: string,
  limit = 64 << 20,
): Promise<string> {
  return new TextDecoder("utf-8").decode(await readBytes(repository, path, limit));
}

/** Whole small file as bytes. */
export async function readBytes(
  repository: Repository,
  path: string,
  limit = 256 << 20,
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
