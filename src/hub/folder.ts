import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { OqeError } from "../ground/errors.ts";
import { reasonOf } from "../ground/reasons.ts";
import type { StagedFile } from "./hub-types.ts";
import { pathFault, printable } from "./names.ts";

/** The Hub keeps files above 10 MB out of git, so that larger ones need no blob id. */
export const largestBlob = 16 << 20;

/** A file of a repository, by both hashes that the Hub may know it by. */
export interface HashedFile {
  /** Inside the repository, with `/`. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  readonly sha256: string;
  /** SHA-1 of the git blob; null for a file too large to be one. */
  readonly oid: string | null;
}

/** A file to send: its bytes are on the disk (a `file:` address) or in memory. */
export interface LocalFile extends HashedFile {
  readonly content: URL | Blob;
  /** When the file on the disk was last changed before it was hashed, in ms. */
  readonly modified?: number;
}

/**
 * Hashes every file of a folder; sorted by path. `.gitattributes` is left out: the Hub writes its
 * own. Throws BAD_INPUT for a path that a repository cannot have, and for links (they could publish
 * files outside the folder) and other special files. Throws DISK for a file that cannot be read.
 */
export async function readFolder(
  folder: string,
  onBytes: (done: number, total: number) => void,
): Promise<LocalFile[]> {
  try {
    const paths = await listFolder(folder);
    const sizes = await Promise.all(
      paths.map(async (path) => (await stat(join(folder, path))).size),
    );
    const total = sizes.reduce((sum, size) => sum + size, 0);
    const files: LocalFile[] = [];
    let done = 0;
    for (const [index, path] of paths.entries()) {
      files.push(await hashFile({ path, file: join(folder, path), size: sizes[index]! }));
      done += sizes[index]!;
      onBytes(done, total);
    }
    return files;
  } catch (failure) {
    if (failure instanceof OqeError) throw failure;
    throw new OqeError(
      "DISK",
      `The folder ${folder} cannot be read: ${reasonOf(failure)}`,
      "Check the folder, then run again.",
    );
  }
}

async function listFolder(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths: string[] = [];
  for (const entry of entries) {
    const path = relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/");
    if (entry.isDirectory() || path === ".gitattributes") continue;
    const fault = entry.isFile() ? pathFault(path) : "it is not a plain file";
    if (fault !== null) {
      throw new OqeError(
        "BAD_INPUT",
        `"${printable(path)}" in ${folder} cannot be published: ${fault}`,
        "Rename or remove it.",
      );
    }
    paths.push(path);
  }
  if (paths.length === 0)
    throw new OqeError(
      "BAD_INPUT",
      `The folder ${folder} has no file to publish`,
      "Check the folder.",
    );
  return paths.sort();
}

/** Hashes the file at `file` on the disk. Throws DISK if it has another size. */
export async function hashFile({
  path,
  file,
  size,
}: {
  readonly path: string;
  readonly file: string;
  readonly size: number;
}): Promise<LocalFile> {
  const sha256 = createHash("sha256");
  const blob = size <= largestBlob ? createHash("sha1").update(`blob ${size}\0`) : null;
  const { mtimeMs: modified } = await stat(file);
  let seen = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) {
    sha256.update(chunk);
    blob?.update(chunk);
    seen += chunk.length;
  }
  if (seen !== size)
    throw new OqeError(
      "DISK",
      `${file} has not ${size} bytes, or changed while it was read`,
      "Nothing may write to the folder during a publish.",
    );
  return {
    path,
    content: pathToFileURL(file),
    size,
    sha256: sha256.digest("hex"),
    oid: blob?.digest("hex") ?? null,
    modified,
  };
}

/** Hashes a file. The hash of a large one is known, and the upload checks it. */
export async function hashStaged(file: StagedFile): Promise<LocalFile> {
  const { path } = file;
  const fault = pathFault(path);
  if (fault !== null)
    throw new OqeError("BAD_INPUT", `"${printable(path)}" cannot be staged: ${fault}`);
  if ("content" in file) return hashBytes(path, file.content);
  const { bytes, sha256 } = file;
  try {
    const { size } = await stat(file.file);
    if (bytes > largestBlob && size === bytes)
      return { path, content: pathToFileURL(file.file), size, sha256, oid: null };
    const local = await hashFile({ path, file: file.file, size });
    if (size === bytes && local.sha256 === sha256) return local;
  } catch (failure) {
    if (failure instanceof OqeError) throw failure;
    throw new OqeError("DISK", `${file.file} cannot be read: ${reasonOf(failure)}`);
  }
  throw new OqeError(
    "CONFLICT",
    `${file.file} is not the file that was written: expected ${bytes} bytes, sha256 ${sha256}`,
    "Another run may be using the same work folder. Run again, with a work-dir of its own.",
  );
}

/** A file whose bytes are in memory. */
export function hashBytes(path: string, bytes: Uint8Array<ArrayBuffer>): LocalFile {
  const oid = createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { path, content: new Blob([bytes]), size: bytes.length, sha256, oid };
}

/** The bytes of a small file to send. Throws CONFLICT if they are not those that were hashed. */
export async function readWhole(file: LocalFile): Promise<Buffer> {
  const bytes = await readContent(file);
  if (createHash("sha256").update(bytes).digest("hex") !== file.sha256) throw changed(file);
  return bytes;
}

/**
 * Throws CONFLICT for a file that was changed after it was hashed. The storage takes an upload
 * under the hash of what was sent, so nothing wrong is published; this says why it is refused.
 */
export async function requireUnchanged(files: readonly LocalFile[]): Promise<void> {
  for (const file of files) {
    if (file.content instanceof Blob || file.modified === undefined) continue;
    const found = await stat(file.content).catch(() => null);
    if (found?.mtimeMs !== file.modified || found.size !== file.size) throw changed(file);
  }
}

function changed({ path }: LocalFile): OqeError {
  return new OqeError(
    "CONFLICT",
    `${path} was changed while it was published`,
    "Another run may be using the same work folder. Run again, with a work-dir of its own.",
  );
}

/** The bytes of a file to send, or only its first `length`. */
export async function readContent({ content }: LocalFile, length?: number): Promise<Buffer> {
  if (content instanceof Blob) return Buffer.from(await content.slice(0, length).arrayBuffer());
  if (length === undefined) return readFile(content);
  return Buffer.concat(await createReadStream(content, { end: length - 1 }).toArray());
}
