import { OqeError } from "../ground/errors.ts";
import { alteredHint } from "./altered-bytes.ts";
import { type ContentHash, hashName, listedHash, startHash } from "./content-hash.ts";
import { type ByteSource, mostWhole, type Repository } from "./repository.ts";

/**
 * The same repository, with every file but the weights held against its listed hash whenever it is
 * read: whole, even if a part of it is asked for. A file that differs is read once more over
 * another connection. Weights are checked by the checkpoint (shard-proof.ts). Throws NETWORK.
 */
export function verifyFiles(repository: Repository): Repository {
  return {
    ...repository,
    async open(path) {
      const source = await repository.open(path);
      const hash = listedHash(repository, path);
      return hash === null || path.endsWith(".safetensors") ? source : verifiedSource(source, hash);
    },
  };
}

function verifiedSource(source: ByteSource, hash: ContentHash): ByteSource {
  const { name, size } = source;
  return {
    name,
    size,
    async read(offset, length, into) {
      const isInside = offset >= 0 && length >= 0 && offset + length <= size;
      if (!isInside) return source.read(offset, length, into); // it says what is wrong
      if (size > mostWhole)
        throw new OqeError(
          "BAD_CHECKPOINT",
          `${name} has ${size} bytes; at most ${mostWhole} are read of such a file`,
        );
      const bytes = (await readVerified(source, hash)).subarray(offset, offset + length);
      into?.set(bytes);
      return into ?? bytes;
    },
  };
}

/** All bytes of a file. Throws NETWORK if two readings do not have its hash. */
async function readVerified(source: ByteSource, hash: ContentHash): Promise<Uint8Array> {
  const { name, size } = source;
  const digest = (bytes: Uint8Array) => startHash(hash, size).update(bytes).digest("hex");
  const first = await source.read(0, size);
  const found = digest(first);
  if (found === hash.value) return first;
  const second = await (source.readAgain?.(0, size) ?? source.read(0, size));
  const again = digest(second);
  if (again === hash.value) return second;
  const other = again === found ? "" : `, then ${again}`;
  throw new OqeError(
    "NETWORK",
    `${name} does not have the bytes of its commit: expected the ${hashName(hash)} ` +
      `${hash.value}, got ${found}${other} in two readings`,
    alteredHint,
  );
}
