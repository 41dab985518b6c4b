import { createHash } from "node:crypto";
import { OqeError } from "../ground/errors.ts";
import { sharedIntegers } from "../kernel/matrix.ts";
import { readTextFile } from "./reference.ts";
import { checkVocabulary, hashOf, type Rows } from "./rows.ts";
import { decode } from "./texts.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Tokens of a chunk. */
export const chunkLength = 512;
/** Domain of the chunks, and what readers call the text. */
export const wikitextName = "WikiText-2";
/** No tokenizer makes tokens that are longer on average. */
const mostBytesPerToken = 16;

/** WikiText-2 as its readers measure on it. */
export interface Wikitext {
  /** Name of its file. */
  readonly name: string;
  /** SHA-256 of the file. */
  readonly sha256: string;
  readonly text: string;
}

/**
 * Reads `wiki.test.raw`, the test part of WikiText-2: a paragraph a line. The text is that of the
 * dataset's rows joined by empty lines, which mlx-quant-fidelity 0.10.0 encodes: blank lines are
 * rows without text. Throws BAD_INPUT for a file that is no text.
 */
export async function openWikitext(path: string): Promise<Wikitext> {
  const { bytes, name } = await readTextFile(path, "wikitext");
  const lines = decode(bytes, path).replace(/\r\n/g, "\n").replace(/\n$/, "").split("\n");
  const rows = lines.map((line) => (line.trim() === "" ? "" : `${line}\n`));
  return {
    name,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    text: rows.join("\n\n"),
  };
}

/**
 * The first `most` chunks of 512 tokens, without overlap, of the text encoded at once with the
 * tokens that the tokenizer puts before a text; what is left at the end is no chunk. Throws
 * BAD_INPUT for a text without a chunk, BAD_CHECKPOINT for a token outside of the vocabulary.
 */
export function drawChunks(
  { name, text }: Wikitext,
  most: number,
  tokenizer: Tokenizer,
  vocabularySize: number,
): Rows {
  const needed = most * chunkLength;
  const start = tokenizer.encodeWhole(text.slice(0, mostBytesPerToken * needed));
  // The last tokens of a part may be others than those of the whole.
  const all = start.length > needed + chunkLength ? start : tokenizer.encodeWhole(text);
  const samples = Math.min(most, Math.floor(all.length / chunkLength));
  if (samples === 0) {
    throw new OqeError(
      "BAD_INPUT",
      `wikitext: ${name} has ${all.length} tokens, and a chunk is ${chunkLength}`,
      "Name wiki.test.raw of WikiText-2.",
    );
  }
  const ids = sharedIntegers(samples * chunkLength);
  ids.set(all.slice(0, ids.length));
  checkVocabulary(ids, { tokenizer, vocabularySize });
  return {
    ids,
    ...{ samples, length: chunkLength, tokens: ids.length },
    rows: Array.from({ length: samples }, () => ({ domain: wikitextName })),
    domains: { [wikitextName]: samples },
    sha256: hashOf(ids),
  };
}
