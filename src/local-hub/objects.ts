import { createHash, randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import {
  access,
  chmod,
  copyFile,
  link,
  mkdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

/**
 * The files of one repository by SHA-256. An object is complete or missing: it is written to
 * another name, then renamed.
 */
export class Objects {
  readonly #folder: string;
  readonly #aside: string;

  /** `aside` must be on the same file system as `folder`. */
  constructor(folder: string, aside: string) {
    this.#folder = folder;
    this.#aside = aside;
  }

  path(sha256: string): string {
    if (!/^[0-9a-f]{64}$/.test(sha256)) throw new TypeError(`not a SHA-256: ${sha256}`);
    return join(this.#folder, sha256.slice(0, 2), sha256);
  }

  /** Size of an object in bytes, or null where there is none. */
  async size(sha256: string): Promise<number | null> {
    const found = await stat(this.path(sha256)).catch(() => null);
    return found === null ? null : found.size;
  }

  async read(sha256: string): Promise<Buffer> {
    return readFile(this.path(sha256));
  }

  async put(bytes: Uint8Array, sha256: string): Promise<void> {
    const aside = await this.asidePath();
    await writeFile(aside, bytes);
    await this.adopt(aside, sha256);
  }

  /** Moves a file to the objects. The caller has checked its hash. */
  async adopt(file: string, sha256: string): Promise<void> {
    const target = this.path(sha256);
    await mkdir(dirname(target), { recursive: true });
    // Read-only, because the readable folder may hold hard links to it.
    await chmod(file, 0o444);
    await rename(file, target);
  }

  /**
   * Copies a file to the objects and hashes it. With `mayLink` it is a hard link if the file system
   * allows it.
   */
  async take(file: string, mayLink: boolean): Promise<{ sha256: string; size: number }> {
    const aside = await this.asidePath();
    await (mayLink ? link(file, aside).catch(() => copyFile(file, aside)) : copyFile(file, aside));
    const hashed = await hashFile(aside);
    await this.adopt(aside, hashed.sha256);
    return hashed;
  }

  async asidePath(): Promise<string> {
    await mkdir(this.#aside, { recursive: true });
    return join(this.#aside, randomUUID());
  }
}

export async function hashFile(path: string): Promise<{ sha256: string; size: number }> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of createReadStream(path)) {
    hash.update(chunk as Buffer);
    size += (chunk as Buffer).length;
  }
  return { sha256: hash.digest("hex"), size };
}

export class TooLong extends Error {}

/**
 * Writes a stream to a file and hashes it. Throws `TooLong` after more than `limit` bytes, and
 * removes the file.
 */
export async function receive(
  source: AsyncIterable<Uint8Array>,
  path: string,
  limit: number,
): Promise<{ sha256: string; md5: string; size: number }> {
  const sha256 = createHash("sha256");
  const md5 = createHash("md5");
  let size = 0;
  async function* measured() {
    for await (const chunk of source) {
      size += chunk.length;
      if (size > limit) throw new TooLong();
      sha256.update(chunk);
      md5.update(chunk);
      yield chunk;
    }
  }
  try {
    await pipeline(Readable.from(measured()), createWriteStream(path));
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
  return { sha256: sha256.digest("hex"), md5: md5.digest("hex"), size };
}

/** Writes a small text file so that a crash leaves the old one or the new one. */
export async function writeAtomically(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const aside = `${path}.${randomUUID()}.aside`;
  await writeFile(aside, text);
  await rename(aside, path);
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
