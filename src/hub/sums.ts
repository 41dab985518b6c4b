import { createHash } from "node:crypto";
import { pathFault } from "./names.ts";

/**
 * Name of the file that lists every other file of a tier with its SHA-256, receipt and card
 * included. It has the format of `sha256sum`, so that `sha256sum -c SHA256SUMS` checks a download.
 */
export const sumsPath = "SHA256SUMS";

/** Path -> SHA-256 in hexadecimal digits. */
export type Sums = ReadonlyMap<string, string>;

export function sha256Of(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

/** One line per file, sorted by path. */
export function writeSums(sums: Sums): string {
  const sorted = [...sums].sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([path, sha256]) => `${sha256}  ${path}\n`).join("");
}

/** null for a text that `writeSums` does not write: somebody changed it. */
export function parseSums(text: string): Sums | null {
  const sums = new Map<string, string>();
  for (const line of text.split("\n").slice(0, -1)) {
    const [, sha256, path] = /^([0-9a-f]{64}) {2}(.+)$/.exec(line) ?? [];
    if (sha256 === undefined || path === undefined || pathFault(path) !== null) return null;
    sums.set(path, sha256);
  }
  return sums.size > 0 && writeSums(sums) === text ? sums : null;
}
