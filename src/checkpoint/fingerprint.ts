import { createHash } from "node:crypto";
import type { ByteSource, Repository } from "./repository.ts";
import { MAX_HEADER_BYTES } from "./safetensors.ts";

/** Most bytes of a config, as in readText. */
const MAX_CONFIG = 64 << 20;
/** Most bytes of weights that are hashed. They take about a second. */
const MAX_WEIGHTS = 2 ** 30;
/** Weights are read in blocks of this size. It is well below the size of an expert's matrix. */
const BLOCK = 1 << 18;

/**
 * Identifies the state of a folder: `sha256:` and a hash of its config and of the name, size,
 * header and weights of every safetensors file. The hash covers all weights up to 1 GiB. Of larger
 * models it covers every k-th block of 256 KiB, with the least k that keeps to 1 GiB. The folder's
 * own name does not count.
 */
export async function fingerprint(
  folder: Pick<Repository, "files" | "open">,
  most = MAX_WEIGHTS,
): Promise<string> {
  // Shards are at the top. Folders below may be output of an earlier run.
  const shards = [...folder.files].filter(([path]) => /^[^/]+\.safetensors$/.test(path));
  const stride = Math.ceil(shards.reduce((sum, [, size]) => sum + size, 0) / most) || 1;
  const hash = createHash("sha256");
  const buffer = new Uint8Array(BLOCK);
  const digest = async (source: ByteSource, [from, to]: readonly [number, number], step = 1) => {
    for (let at = from; at < to; at += step * BLOCK) {
      const length = Math.min(BLOCK, to - at);
      hash.update(await source.read(at, length, buffer.subarray(0, length)));
    }
  };
  for (const [path, size] of folder.files) {
    const isConfig = path === "config.json";
    if (!isConfig && !shards.some(([shard]) => shard === path)) continue;
    hash.update(`${path}\0${size}\0`);
    const source = await folder.open(path);
    const end = isConfig ? Math.min(size, MAX_CONFIG) : await headerEnd(source);
    await digest(source, [0, end]);
    if (!isConfig) await digest(source, [end, size], stride);
  }
  return `sha256:${hash.digest("hex")}`;
}

/** End of the header, within the file. readHeader checks the header itself. */
async function headerEnd(source: ByteSource): Promise<number> {
  if (source.size < 8) return source.size;
  const first = await source.read(0, 8);
  const declared = Number(new DataView(first.buffer, first.byteOffset).getBigUint64(0, true));
  return Math.min(8 + declared, 8 + MAX_HEADER_BYTES, source.size);
}
