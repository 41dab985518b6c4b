import { createHash } from "node:crypto";
import type { ByteSource, Repository } from "../../src/checkpoint/repository.ts";

/** A file in memory that refuses reads outside of it, as every ByteSource does. */
export function memoryFile(file: Uint8Array, name = "memory.safetensors"): ByteSource {
  return {
    name,
    size: file.length,
    read: async (offset, length, into) => {
      if (offset < 0 || length < 0 || offset + length > file.length)
        throw new Error(`read outside the file: ${offset}+${length}`);
      const bytes = file.slice(offset, offset + length);
      into?.set(bytes);
      return into ?? bytes;
    },
  };
}

/** A repository in memory, with SHA-256 of the weights and git's ids of the other files. */
export function memoryRepository(files: Readonly<Record<string, Uint8Array>>): Repository {
  const all = Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1));
  const isLarge = ([path]: (typeof all)[number]) => path.endsWith(".safetensors");
  const small = all.filter((one) => !isLarge(one));
  return {
    id: "acme/hostile",
    name: "hostile",
    revision: "0".repeat(40),
    files: new Map(all.map(([path, { length }]) => [path, length])),
    sha256: new Map(all.filter(isLarge).map(([path, content]) => [path, sha256Of(content)])),
    blobs: new Map(small.map(([path, content]) => [path, blobId(content)])),
    open: async (path) => memoryFile(files[path]!, path),
  };
}

/** Git's id of a file's content. */
export function blobId(content: Uint8Array): string {
  return createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
}

export function sha256Of(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
