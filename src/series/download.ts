import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import type { ByteSource } from "../checkpoint/repository.ts";

/** Bytes that are read at once. */
const chunk = 8 << 20;

/** Brings the first bytes of a file to `path` on the disk. Gives their SHA-256. */
export async function download(source: ByteSource, path: string, bytes: number): Promise<string> {
  const handle = await open(path, "w");
  const hash = createHash("sha256");
  try {
    for (let at = 0; at < bytes; at += chunk) {
      const some = await source.read(at, Math.min(chunk, bytes - at));
      hash.update(some);
      await handle.writeFile(some);
    }
  } finally {
    await handle.close();
  }
  return hash.digest("hex");
}
