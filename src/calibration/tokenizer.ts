import { Tokenizer as Library } from "@huggingface/tokenizers";
import { asObject } from "../checkpoint/json.ts";
import { type Repository, readText } from "../checkpoint/repository.ts";
import { OqeError } from "../ground/errors.ts";
import { reasonOf } from "../ground/reasons.ts";
import { type Definition, supportedDefinition } from "./tokenizer-definition.ts";
import { vocabularyTokenizer } from "./vocabulary-tokenizer.ts";

/** Turns text into the token ids of the base model. */
export interface Tokenizer {
  /** For messages: the file that defines it. */
  readonly name: string;
  /** Ids of the text alone: no token is added before or after it. */
  encode(text: string): readonly number[];
  /** The same with the tokens that the tokenizer puts around a text, such as one at its start. */
  encodeWhole(text: string): readonly number[];
}

/** Result of the library's `encode`; the type that it declares does not resolve. */
interface Encoding {
  readonly ids: readonly number[];
  readonly tokens: readonly string[];
}

const withoutTokens = "Or choose `method: rounded`, which reads no text.";

/**
 * Opens the base's tokenizer.json or, without one, vocab.json with merges.txt. Its ids are those of
 * Rust's `tokenizers`, which transformers and mlx-lm use.
 * Throws MISSING_FILE without such files, BAD_CHECKPOINT where tokenizer.json is no JSON object,
 * UNSUPPORTED_MODEL for a tokenizer whose ids could differ (tokenizer-definition.ts).
 */
export async function openTokenizer(base: Repository): Promise<Tokenizer> {
  const name = base.id ?? base.name;
  const fromVocabulary = !base.files.has("tokenizer.json");
  if (fromVocabulary && !(base.files.has("vocab.json") && base.files.has("merges.txt")))
    throw noTokenizer(base);
  const where = `${name}/${fromVocabulary ? "vocab.json" : "tokenizer.json"}`;
  const unreadable = (cause: unknown) =>
    new OqeError(
      "UNSUPPORTED_MODEL",
      `${where} cannot be used by @huggingface/tokenizers: ${reasonOf(cause)}`,
      `Check that the file loads in transformers, and report it if it does. ${withoutTokens}`,
      cause,
    );
  const definition = fromVocabulary
    ? await vocabularyTokenizer(base).catch((cause) => {
        throw cause instanceof OqeError ? cause : unreadable(cause);
      })
    : readDefinition(await readText(base, "tokenizer.json"), where);
  const library = attempt(() => load(definition), unreadable);
  const encodeBy = (whole: boolean) => (text: string) =>
    attempt(() => encode(library, text, whole), unreadable);
  return { name: where, encode: encodeBy(false), encodeWhole: encodeBy(true) };
}

function noTokenizer({ id, name, files }: Repository): OqeError {
  const has = files.has("tokenizer.model") ? " (it has tokenizer.model)" : "";
  return new OqeError(
    "MISSING_FILE",
    `${id ?? name} has no tokenizer.json, nor vocab.json with merges.txt${has}: tuning reads text`,
    "Write a tokenizer.json with AutoTokenizer.from_pretrained(…).save_pretrained(…) of " +
      `transformers. ${withoutTokens}`,
  );
}

/** Not `parseJson`, which refuses a key `__proto__`: a vocabulary may have any word. */
function readDefinition(text: string, where: string): Definition {
  try {
    const definition = asObject(JSON.parse(text));
    if (definition !== undefined) return definition;
  } catch (cause) {
    throw new OqeError(
      "BAD_CHECKPOINT",
      `${where} is not JSON`,
      "Download the model again.",
      cause,
    );
  }
  throw new OqeError(
    "BAD_CHECKPOINT",
    `${where} is not a JSON object`,
    "Download the model again.",
  );
}

function load(definition: Definition): Library {
  const library = new Library(supportedDefinition(definition), {});
  encode(library, "a b\n"); // some parts are built at the first use
  return library;
}

function encode(library: Library, text: string, whole = false): readonly number[] {
  const { ids, tokens }: Encoding = library.encode(text, { add_special_tokens: whole });
  const unknown = ids.findIndex((id) => !Number.isInteger(id) || id < 0);
  if (unknown !== -1)
    throw new Error(`it has no id for ${JSON.stringify(tokens[unknown])} and no unknown token`);
  return ids;
}

function attempt<T>(work: () => T, failure: (cause: unknown) => OqeError): T {
  try {
    return work();
  } catch (cause) {
    throw failure(cause);
  }
}
