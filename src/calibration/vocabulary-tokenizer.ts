import { asObject, parseJson } from "../checkpoint/json.ts";
import { type Repository, readText } from "../checkpoint/repository.ts";
import { architectureFor } from "../models/registry.ts";
import type { Definition } from "./tokenizer-definition.ts";

/** The pattern of transformers' Qwen2Tokenizer. */
const qwen2 = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
const byteLevel = { type: "ByteLevel", add_prefix_space: false };

interface Kind {
  readonly normalizer: Definition | null;
  readonly preTokenizer: Definition;
  /** Special tokens that transformers adds where the config names no others. */
  readonly defaults: Readonly<Record<string, string>>;
}

const endOfText = "<|endoftext|>";
const gpt2Kind: Kind = {
  normalizer: null,
  preTokenizer: { ...byteLevel, use_regex: true },
  defaults: { bos_token: endOfText, eos_token: endOfText, unk_token: endOfText },
};
const qwen2Kind: Kind = {
  normalizer: { type: "NFC" },
  preTokenizer: {
    type: "Sequence",
    pretokenizers: [
      { type: "Split", pattern: { Regex: qwen2 }, behavior: "Isolated", invert: false },
      { ...byteLevel, use_regex: false },
    ],
  },
  defaults: { eos_token: endOfText, unk_token: endOfText, pad_token: endOfText },
};
/** `tokenizer_class` of tokenizer_config.json, without `Fast`. */
const kinds: ReadonlyMap<string, Kind> = new Map([
  ["GPT2Tokenizer", gpt2Kind],
  ["Qwen2Tokenizer", qwen2Kind],
]);
const named = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token"];

/**
 * The tokenizer.json that transformers' fast GPT2Tokenizer or Qwen2Tokenizer makes of vocab.json,
 * merges.txt, tokenizer_config.json, special_tokens_map.json and added_tokens.json.
 * Throws an Error for another class or a setting that changes the ids.
 */
export async function vocabularyTokenizer(base: Repository): Promise<Definition> {
  const settings = await readObject(base, "tokenizer_config.json");
  const { model_type: modelType } = await readObject(base, "config.json");
  const usual = architectureFor(modelType)?.tokenizerClass;
  const name = String(settings.tokenizer_class ?? usual ?? "none");
  const kind = kinds.get(name.replace(/Fast$/, ""));
  if (kind === undefined) {
    const found = `its tokenizer_class is ${JSON.stringify(name.slice(0, 60))}`;
    throw new Error(`${found}; without tokenizer.json it must be one of ${[...kinds.keys()]}`);
  }
  if (settings.add_prefix_space === true) throw new Error("it sets add_prefix_space");
  const vocab = await readVocabulary(base);
  return {
    normalizer: kind.normalizer,
    pre_tokenizer: kind.preTokenizer,
    model: { type: "BPE", vocab, merges: await readMerges(base) },
    added_tokens: await addedTokens(base, { settings, vocab, defaults: kind.defaults }),
  };
}

/** Not `parseJson`: a vocabulary may hold the word `__proto__`. */
async function readVocabulary(base: Repository): Promise<Record<string, unknown>> {
  const vocab = asObject(JSON.parse(await readText(base, "vocab.json")));
  if (vocab === undefined) throw new Error("its vocab.json is not an object");
  return vocab;
}

async function readMerges(base: Repository): Promise<readonly (readonly string[])[]> {
  const lines = (await readText(base, "merges.txt")).split("\n").map((line) => line.trimEnd());
  const merges = lines.filter((line) => line !== "" && !line.startsWith("#version"));
  return merges.map((line) => {
    const pair = line.split(" ");
    if (pair.length !== 2) throw new Error(`its merges.txt has the line ${JSON.stringify(line)}`);
    return pair;
  });
}

interface TokenSources {
  readonly settings: Record<string, unknown>;
  readonly vocab: Record<string, unknown>;
  readonly defaults: Readonly<Record<string, string>>;
}

/** In the order of their ids: those with an id first, then the special tokens without one. */
async function addedTokens(
  base: Repository,
  { settings, vocab, defaults }: TokenSources,
): Promise<readonly Definition[]> {
  const found = new Map<string, Record<string, unknown>>();
  for (const [id, token] of Object.entries(asObject(settings.added_tokens_decoder) ?? {})) {
    const { content, ...flags } = asObject(token) ?? {};
    if (typeof content === "string") found.set(content, { id: Number(id), content, ...flags });
  }
  for (const [content, id] of Object.entries(await readObject(base, "added_tokens.json")))
    if (!found.has(content)) found.set(content, { id, content, special: true, normalized: false });
  const special = {
    ...defaults,
    ...(await readObject(base, "special_tokens_map.json")),
    ...settings,
  };
  const lists = [special.additional_special_tokens ?? special.extra_special_tokens ?? []].flat();
  let next = Math.max(
    Object.keys(vocab).length,
    ...[...found.values()].map(({ id }) => Number(id) + 1),
  );
  for (const value of [...named.map((key) => special[key]), ...lists]) {
    const content = typeof value === "string" ? value : asObject(value)?.content;
    if (typeof content !== "string" || found.has(content)) continue;
    const id = Object.hasOwn(vocab, content) ? vocab[content] : next++;
    const flags = typeof value === "string" ? {} : asObject(value);
    found.set(content, { ...flags, content, id, special: true, normalized: false });
  }
  for (const { content, lstrip, rstrip } of found.values())
    if (lstrip === true || rstrip === true)
      throw new Error(`its added token ${JSON.stringify(content)} takes the blanks beside it`);
  return [...found.values()].sort((a, b) => Number(a.id) - Number(b.id));
}

async function readObject(base: Repository, file: string): Promise<Record<string, unknown>> {
  if (!base.files.has(file)) return {};
  const where = `${base.id ?? base.name}/${file}`;
  return asObject(parseJson(await readText(base, file), where)) ?? {};
}
