import { Tokenizer as Library } from "@huggingface/tokenizers";
import { asObject, show } from "../checkpoint/json.ts";
import { type Repository, readText } from "../checkpoint/repository.ts";
import { OqeError } from "../ground/errors.ts";
import { reasonOf } from "../ground/reasons.ts";

/** Text to the token ids that the base model was trained on. */
export interface Tokenizer {
  /** For messages: the file that defines it. */
  readonly name: string;
  /** Ids of the text alone: no token is added before or after it. */
  encode(text: string): readonly number[];
}

/** What the library gives back; its own type of this does not resolve. */
interface Encoding {
  readonly ids: readonly number[];
  readonly tokens: readonly string[];
}

const withoutTokens = "Or choose `method: rounded`, which reads no text.";

/**
 * The base's `tokenizer.json`. Nothing else of the repository is read: that file says all that encoding needs, and the fast
 * tokenizers of Python read no other either.
 * Throws MISSING_FILE without one, BAD_CHECKPOINT where it is no JSON object, UNSUPPORTED_MODEL where the library cannot load it.
 */
export async function openTokenizer(base: Repository): Promise<Tokenizer> {
  const where = `${base.id ?? base.name}/tokenizer.json`;
  if (!base.files.has("tokenizer.json")) {
    throw new OqeError(
      "MISSING_FILE",
      `${base.id ?? base.name} has no tokenizer.json: tuning reads text, and that is the only tokenizer file it can read`,
      `Write one with AutoTokenizer.from_pretrained(…).save_pretrained(…) of transformers. ${withoutTokens}`,
    );
  }
  const definition = readDefinition(await readText(base, "tokenizer.json"), where);
  const unreadable = (cause: unknown) =>
    new OqeError(
      "UNSUPPORTED_MODEL",
      `${where} cannot be used by @huggingface/tokenizers: ${reasonOf(cause)}`,
      `Check that the file loads in transformers, and report it if it does. ${withoutTokens}`,
      cause,
    );
  const library = attempt(() => load(definition), unreadable);
  return { name: where, encode: (text) => attempt(() => encode(library, text), unreadable) };
}

/** Not `parseJson`: that one refuses a key `__proto__`, and a vocabulary may hold it as it may hold any other word. */
function readDefinition(text: string, where: string): Record<string, unknown> {
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

/** Kinds of tokenizer model. The library takes a kind that it does not know for the one whose fields look alike. */
const kinds: readonly unknown[] = ["BPE", "Unigram", "WordPiece", "WordLevel"];

function load(definition: Record<string, unknown>): Library {
  const kind = asObject(definition.model)?.type;
  if (kind !== undefined && kind !== null && !kinds.includes(kind))
    throw new Error(`its model is of no known kind: ${show(kind)}`);
  const library = new Library({ added_tokens: [], ...definition }, {});
  encode(library, "a b\n"); // whatever is only built at the first use
  return library;
}

function encode(library: Library, text: string): readonly number[] {
  const { ids, tokens }: Encoding = library.encode(text, { add_special_tokens: false });
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
