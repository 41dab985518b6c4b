import { createHash } from "node:crypto";
import { OqeError } from "../ground/errors.ts";
import { sharedIntegers } from "../kernel/matrix.ts";
import type { RenderChat } from "./chat.ts";
import type { Corpus, Document, DomainText } from "./corpus.ts";
import { sectionsOf } from "./documents.ts";
import { hashName, seededRandom, shuffled, windowStarts } from "./random.ts";
import type { Tokenizer } from "./tokenizer.ts";

export interface RowsRequest {
  readonly tokenizer: Pick<Tokenizer, "name" | "encode">;
  /** Gives the text of a chat (chat.ts). Absent: the corpus has none. */
  readonly chat?: RenderChat;
  readonly corpus: Corpus;
  /** Rows to draw, and tokens of each. */
  readonly samples: number;
  readonly length: number;
  /** Its low 32 bits are used. */
  readonly seed: number;
  /** The model's `vocab_size`: rows of its embedding. */
  readonly vocabularySize: number;
}

/** Rows of tokens, each from one domain's text. */
export interface Rows {
  /** `[samples, length]`, row-major. */
  readonly ids: Uint32Array<SharedArrayBuffer>;
  readonly samples: number;
  readonly length: number;
  /** Domain of each row. Rows of a domain are consecutive, domains in the corpus's order. */
  readonly rows: readonly { readonly domain: string }[];
  /** Rows of each domain that has any. */
  readonly domains: Readonly<Record<string, number>>;
  /** `samples * length`. */
  readonly tokens: number;
  /** SHA-256, hex, of `ids` as little-endian uint32: which tokens the model was shown. */
  readonly sha256: string;
}

/**
 * Draws rows evenly over the corpus's domains. If a domain's text is too short for its share, the
 * other domains supply the missing rows. The result depends on the arguments alone.
 * Throws BAD_INPUT if all domains together are too short, BAD_CHECKPOINT for a token outside of the
 * model's vocabulary.
 */
export function drawRows(request: RowsRequest): Rows {
  const { corpus, samples, length } = request;
  const streams = corpus.texts.map((text) => new TokenStream(text, request));
  const shares = shareOut(streams, request);
  const ids = sharedIntegers(samples * length);
  const rows = streams.flatMap((stream, index) => {
    const before = shares.slice(0, index).reduce((sum, share) => sum + share, 0);
    stream.draw(shares[index]!, ids.subarray(before * length, (before + shares[index]!) * length));
    return Array.from({ length: shares[index]! }, () => ({ domain: stream.domain }));
  });
  checkVocabulary(ids, request);
  const domains = streams
    .map(({ domain }, index) => [domain, shares[index]!] as const)
    .filter(([, share]) => share > 0);
  return {
    ids,
    samples,
    length,
    rows,
    domains: Object.fromEntries(domains),
    tokens: samples * length,
    sha256: hashOf(ids),
  };
}

/** Rows that each stream gives. */
function shareOut(streams: readonly TokenStream[], request: RowsRequest): number[] {
  const { corpus, samples, length } = request;
  const shares = streams.map(() => 0);
  let open = streams.map((_, index) => index);
  for (let missing = samples; missing > 0; ) {
    if (open.length === 0) {
      const found = streams.reduce((sum, stream) => sum + stream.available, 0);
      throw new OqeError(
        "BAD_INPUT",
        `${corpus.name} is too short: ${samples} rows of ${length} tokens are needed ` +
          `(${samples * length} tokens), its ${found} tokens give ${samples - missing}`,
        "Add text, or ask for fewer rows (calibration-samples, evaluation-samples) or shorter ones " +
          "(calibration-length, evaluation-length).",
      );
    }
    const wanted = open.map((stream, at) => shares[stream]! + part(missing, open.length, at));
    open.forEach((stream, at) => {
      const given = streams[stream]!.rowsUpTo(wanted[at]!);
      missing -= given - shares[stream]!;
      shares[stream] = given;
    });
    open = open.filter((stream, at) => shares[stream]! === wanted[at]!);
  }
  return shares;
}

/** Part `index` of `total` in `count` parts; the first parts get the remainder. */
function part(total: number, count: number, index: number): number {
  return Math.floor(total / count) + (index < total % count ? 1 : 0);
}

/**
 * A domain's text as tokens: its documents in random order, each encoded alone. A text is ended by
 * an empty line; a chat ends as its template says. Encodes twice the tokens that the rows need and
 * no more, so that a large file takes no longer than a small one.
 */
class TokenStream {
  readonly domain: string;
  private readonly request: RowsRequest;
  private readonly random: () => number;
  private readonly sections: readonly Document[];
  private readonly ids: number[] = [];
  private encoded = 0;

  constructor({ domain, documents }: DomainText, request: RowsRequest) {
    this.domain = domain;
    this.request = request;
    this.random = seededRandom(request.seed ^ hashName(domain));
    const sections = documents.flatMap((one): readonly Document[] =>
      typeof one === "string" ? sectionsOf([one]) : [one],
    );
    this.sections = shuffled(sections, this.random);
  }

  /** Tokens encoded so far. */
  get available(): number {
    return this.ids.length;
  }

  /** The rows it can give, at most `wanted`. */
  rowsUpTo(wanted: number): number {
    const { length } = this.request;
    while (this.ids.length < 2 * wanted * length && this.encoded < this.sections.length)
      this.encode(this.sections[this.encoded++]!);
    return Math.min(wanted, Math.floor(this.ids.length / length));
  }

  private encode(section: Document): void {
    const { tokenizer, chat } = this.request;
    const texts = typeof section === "string" ? [`${section}\n\n`] : sectionsOf([chat!(section)]);
    for (const text of texts) for (const id of tokenizer.encode(text)) this.ids.push(id);
  }

  /**
   * Writes `count` rows to `into`, `[count, length]`: windows at random places, without overlap.
   */
  draw(count: number, into: Uint32Array): void {
    const { length } = this.request;
    windowStarts(count, length, this.ids.length, this.random).forEach((start, row) => {
      for (let at = 0; at < length; at++) into[row * length + at] = this.ids[start + at]!;
    });
  }
}

/** Throws BAD_CHECKPOINT for a token outside of the model's vocabulary. */
export function checkVocabulary(
  ids: Uint32Array,
  { tokenizer, vocabularySize }: Pick<RowsRequest, "tokenizer" | "vocabularySize">,
): void {
  const outside = ids.find((id) => id >= vocabularySize);
  if (outside === undefined) return;
  throw new OqeError(
    "BAD_CHECKPOINT",
    `${tokenizer.name} gives token ${outside}, outside of the model's vocabulary of ` +
      `${vocabularySize} (vocab_size in config.json)`,
    "The tokenizer belongs to another model: download the base again, or choose " +
      "`method: rounded`, which reads no text.",
  );
}

/** SHA-256, hex, of ids as little-endian uint32. */
export function hashOf(ids: Uint32Array): string {
  const bytes = new DataView(new ArrayBuffer(4 * ids.length));
  ids.forEach((id, index) => {
    bytes.setUint32(4 * index, id, true);
  });
  return createHash("sha256").update(bytes).digest("hex");
}
