import { createHash } from "node:crypto";
import type { ByteSource, Repository } from "./repository.ts";
import { MAX_HEADER_BYTES, readHeader } from "./safetensors.ts";

/** Most bytes of a config, as in readText. */
const MAX_CONFIG = 64 << 20;
/** Most bytes of weights that are hashed. They take about a second. */
const MAX_WEIGHTS = 2 ** 30;
/** Weights are read in blocks of this size. It is well below the size of an expert's matrix. */
const BLOCK = 1 << 18;

/**
 * Identifies the state of a folder: `sha256:` and a hash of its config and of the name, size,
 * header and weights of every safetensors file. The hash covers all weights up to 1 GiB. Of larger
 * models it covers of every tensor the first 256 KiB and every k-th block of 256 KiB from there,
 * with the least k that keeps the evenly spread blocks to 1 GiB. So no tensor can be replaced
 * unnoticed, however small it is. The folder's own name does not count.
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
  const digest = async (source: ByteSource, { start, end }: Place, step = 1) => {
    for (let at = start; at < end; at += step * BLOCK) {
      const length = Math.min(BLOCK, end - at);
      hash.update(await source.read(at, length, buffer.subarray(0, length)));
    }
  };
  for (const [path, size] of folder.files) {
    const isConfig = path === "config.json";
    if (!isConfig && !shards.some(([shard]) => shard === path)) continue;
    hash.update(`${path}\0${size}\0`);
    const source = await folder.open(path);
    const end = isConfig ? Math.min(size, MAX_CONFIG) : await headerEnd(source);
    await digest(source, { start: 0, end });
    if (isConfig) continue;
    const places = stride > 1 ? await placesOf(source) : null;
    for (const place of places ?? [{ start: end, end: size }]) await digest(source, place, stride);
  }
  return `sha256:${hash.digest("hex")}`;
}

/** Bytes of a file, end exclusive. */
interface Place {
  readonly start: number;
  readonly end: number;
}

/** Where the tensors of a shard are; null for a header that openCheckpoint is going to refuse. */
async function placesOf(source: ByteSource): Promise<readonly Place[] | null> {
  return readHeader(source).then(
    ({ tensors }) => tensors,
    () => null,
  );
}

/** End of the header, within the file. readHeader checks the header itself. */
async function headerEnd(source: ByteSource): Promise<number> {
  if (source.size < 8) return source.size;
  const first = await source.read(0, 8);
  const declared = Number(new DataView(first.buffer, first.byteOffset).getBigUint64(0, true));
  return Math.min(8 + declared, 8 + MAX_HEADER_BYTES, source.size);
}
