import { createHash, type Hash } from "node:crypto";
import type { Repository } from "./repository.ts";

/** The hash by which a listing names the content of a file. */
export interface ContentHash {
  /** `git`: SHA-1 of `blob <size>\0` and the content, the id of a blob in git. */
  readonly algorithm: "sha256" | "git";
  /** In hexadecimal digits. */
  readonly value: string;
}

/** The listed hash of a file; null: the repository lists none. */
export function listedHash(
  { sha256, blobs }: Pick<Repository, "sha256" | "blobs">,
  path: string,
): ContentHash | null {
  const [large, small] = [sha256?.get(path), blobs?.get(path)];
  if (large !== undefined) return { algorithm: "sha256", value: large };
  return small === undefined ? null : { algorithm: "git", value: small };
}

/** Starts to hash a file of `size` bytes as `algorithm` says. Its digest is the file's hash. */
export function startHash({ algorithm }: Pick<ContentHash, "algorithm">, size: number): Hash {
  if (algorithm === "sha256") return createHash("sha256");
  return createHash("sha1").update(`blob ${size}\0`);
}

/** The name of a hash for messages. */
export function hashName({ algorithm }: Pick<ContentHash, "algorithm">): string {
  return algorithm === "sha256" ? "SHA-256" : "git blob id";
}
