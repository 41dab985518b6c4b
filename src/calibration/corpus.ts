import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { assets } from "../ground/assets.ts";
import { OqeError } from "../ground/errors.ts";
import type { Conversation } from "./chat.ts";
import { documentsOf } from "./documents.ts";

/** A text, or a chat that becomes text by the base's chat template. */
export type Document = string | Conversation;

/** The documents of one domain, in the order of their source. */
export interface DomainText {
  readonly domain: string;
  readonly documents: readonly Document[];
}

/** Text to draw rows from. */
export interface Corpus {
  /** `bundled`, a file's name, or `datasets/<owner>/<name>@<commit>/<path>`. */
  readonly name: string;
  /**
   * SHA-256 (hex) of the bytes that were read; of the bundled corpus, of all its files in order.
   */
  readonly sha256: string;
  /** In the order in which rows are distributed over them. */
  readonly texts: readonly DomainText[];
}

/** The bundled text has no chats. */
export interface BundledCorpus extends Corpus {
  readonly texts: readonly { readonly domain: string; readonly documents: readonly string[] }[];
}

/** Domains of the bundled corpus. If rows do not divide evenly, the first domains get one more. */
export const bundledDomains = [
  "en",
  "es",
  "fr",
  "de",
  "ja",
  "it",
  "code",
  "math",
  "reasoning",
] as const;

/**
 * The bundled text for tuning or for evaluation: disjoint documents of the same domains
 * (corpus/README.md).
 */
export async function bundledCorpus(part: "calibration" | "evaluation"): Promise<BundledCorpus> {
  const hash = createHash("sha256");
  const texts = [];
  for (const domain of bundledDomains) {
    const file = new URL(`${part}/${domain}.txt`, assets.corpus);
    const bytes = await readFile(file).catch((cause) => {
      throw new OqeError(
        "INTERNAL",
        `the bundled corpus lacks ${part}/${domain}.txt`,
        "Fetch the package again.",
        cause,
      );
    });
    hash.update(bytes);
    texts.push({ domain, documents: documentsOf(bytes.toString("utf8")) });
  }
  return { name: "bundled", sha256: hash.digest("hex"), texts };
}
