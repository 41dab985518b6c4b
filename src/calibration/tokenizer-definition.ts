import { asObject, show } from "../checkpoint/json.ts";
import { rewritePattern } from "./split-pattern.ts";

export type Definition = Readonly<Record<string, unknown>>;

/**
 * Translates a tokenizer.json so that @huggingface/tokenizers gives the same ids as Rust's
 * `tokenizers`. The library accepts settings that it encodes differently. So this file lists the
 * settings that are proven equal (test/tokenizer-conformance.test.ts). Throws an Error that names
 * the first setting outside of that list. Truncation and padding are left out, because transformers
 * turns both off for every call. The post-processor is left out, because it only adds special
 * tokens.
 */
export function supportedDefinition(definition: Definition): Definition {
  const model = readModel(definition.model);
  const normalizer = readNormalizer(definition.normalizer);
  const preTokenizer = readPreTokenizer(definition.pre_tokenizer);
  const added = readAddedTokens(definition.added_tokens, model);
  const reads = asObject(definition.pre_tokenizer)?.prepend_scheme === "first";
  if (reads && normalizer !== null && added.some(({ normalized }) => normalized !== false))
    throw unsupported("prepend_scheme", "first beside added tokens that are normalized");
  const fuses = model.fuse_unk === true && typeof model.unk_token === "string";
  if (fuses && preTokenizer !== null && !hasAllBytes(model))
    throw unsupported("fuse_unk", "true beside a pre_tokenizer");
  return {
    added_tokens: added,
    normalizer,
    pre_tokenizer: withoutUnknownLetters(model, preTokenizer),
    model,
    post_processor: null,
    decoder: null,
  };
}

function readModel(value: unknown): Definition {
  const model = asObject(value);
  if (model === undefined) throw unsupported("model", value);
  // Early files name no type; Rust then takes vocabulary and merges for BPE.
  const type = model.type ?? (asObject(model.vocab) && Array.isArray(model.merges) ? "BPE" : null);
  if (type !== "BPE" && type !== "WordLevel") throw unsupported("type of the model", type);
  if (asObject(model.vocab) === undefined) throw unsupported("vocab", model.vocab);
  if (type === "WordLevel") return { ...model, type };
  if (!Array.isArray(model.merges)) throw unsupported("merges", model.merges);
  if (model.dropout) throw unsupported("dropout", model.dropout);
  for (const key of ["continuing_subword_prefix", "end_of_word_suffix"])
    if (model[key]) throw unsupported(key, model[key]);
  return { ...model, type };
}

/** Bytes of UTF-8: all but C0, C1 and F5 to FF. */
const utf8 = Array.from({ length: 0xf5 }, (_, byte) => byte).filter(
  (b) => b !== 0xc0 && b !== 0xc1,
);

function hasAllBytes({ byte_fallback: fallback, vocab }: Definition): boolean {
  const name = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
  return fallback === true && utf8.every((byte) => Object.hasOwn(vocab!, name(byte)));
}

/**
 * Rust drops a letter without an id before it merges; the library drops it afterwards. So a last
 * step takes such letters out of the words: those that ByteLevel writes for bytes that the
 * vocabulary lacks.
 */
function withoutUnknownLetters(model: Definition, preTokenizer: Definition | null) {
  if (model.type !== "BPE" || typeof model.unk_token === "string" || hasAllBytes(model))
    return preTokenizer;
  if (lastStep(preTokenizer)?.type !== "ByteLevel")
    throw unsupported("unk_token", model.unk_token ?? null);
  const missing = utf8.filter((byte) => !Object.hasOwn(model.vocab!, byteLetter(byte)));
  if (missing.length === 0) return preTokenizer;
  // Both look at the word first, as it was before.
  for (const key of ["byte_fallback", "ignore_merges"])
    if (model[key]) throw unsupported(key, `true in a vocabulary without the byte ${missing[0]}`);
  const letters = missing.map((byte) => `\\u{${byteLetter(byte).codePointAt(0)!.toString(16)}}`);
  const pattern = { Regex: `[${letters.join("")}]` };
  return sequence([preTokenizer!, { type: "Replace", pattern, content: "" }]);
}

/** A step that became several is a sequence within the sequence. */
function lastStep(preTokenizer: unknown): Definition | undefined {
  const steps = asObject(preTokenizer)?.pretokenizers;
  return Array.isArray(steps) ? lastStep(steps.at(-1)) : asObject(preTokenizer);
}

/**
 * The letter that ByteLevel writes for a byte: itself where it is visible, else one from U+0100.
 */
function byteLetter(byte: number): string {
  const visible = (b: number) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  if (visible(byte)) return String.fromCharCode(byte);
  const before = Array.from({ length: byte }, (_, b) => b).filter((b) => !visible(b)).length;
  return String.fromCharCode(256 + before);
}

function readNormalizer(value: unknown): Definition | null {
  if (value === null || value === undefined) return null;
  const normalizer = asObject(value) ?? {};
  switch (normalizer.type) {
    case "Sequence": {
      const steps = list(normalizer.normalizers, "normalizers").map(readNormalizer);
      return { type: "Sequence", normalizers: steps };
    }
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD":
      return normalizer;
    case "Prepend":
      if (typeof normalizer.prepend !== "string") break;
      return normalizer;
    case "Replace": {
      const { content } = normalizer;
      // "$" would be a reference in a replacement of JavaScript.
      if (typeof content !== "string" || content.includes("$")) break;
      return { ...normalizer, pattern: readPattern(normalizer.pattern) };
    }
  }
  throw unsupported("normalizer", value);
}

function readPreTokenizer(value: unknown): Definition | null {
  if (value === null || value === undefined) return null;
  const { type, pretokenizers } = asObject(value) ?? {};
  if (type === "Sequence") {
    return sequence(
      list(pretokenizers, "pretokenizers").map((one) => readStep(asObject(one) ?? {})),
    );
  }
  return type === "Metaspace" ? readMetaspace(asObject(value)!) : readStep(asObject(value) ?? {});
}

/** One step of splitting. Metaspace is not one, because it must see where the text starts. */
function readStep(step: Definition): Definition {
  switch (step.type) {
    case "ByteLevel":
      return readByteLevel(step);
    case "Split":
      return readSplit(step);
    case "Digits":
      return split({ Regex: step.individual_digits ? String.raw`\p{N}` : String.raw`\p{N}+` });
  }
  throw unsupported("pre_tokenizer", step);
}

/** The pattern of GPT-2, which Rust's ByteLevel applies by itself. */
const gpt2 = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;

/** The library's own pattern reads blanks as JavaScript does; as a Split it reads them as Rust. */
function readByteLevel(step: Definition): Definition {
  if (step.use_regex === false) return step;
  if (step.add_prefix_space !== false) throw unsupported("add_prefix_space with use_regex", true);
  return sequence([split({ Regex: gpt2 }), { ...step, use_regex: false }]);
}

function readSplit(step: Definition): Definition {
  const { behavior, invert = false } = step;
  const pattern = asObject(step.pattern) ?? {};
  if (behavior === "Isolated" && invert === false) return split(pattern);
  if (behavior === "Removed" && invert === true && typeof pattern.Regex === "string")
    return { ...step, pattern: readPattern(pattern) };
  const text = pattern.String;
  if (invert !== false || typeof text !== "string" || text === "") throw unsupported("Split", step);
  const [one, other] = [escapePattern(text), `(?:(?!${escapePattern(text)})[\\s\\S])+`];
  switch (behavior) {
    case "MergedWithPrevious":
      return split({ Regex: `${other}(?:${one})?|${one}` });
    case "MergedWithNext":
      return split({ Regex: `${one}(?:${other})?|${other}` });
    case "Contiguous":
      return split({ Regex: `(?:${one})+|${other}` });
  }
  throw unsupported("Split", step);
}

/** The library does not split at the marks; Rust does, unless `split` is false. */
function readMetaspace(step: Definition): Definition {
  const { replacement = "▁", prepend_scheme: scheme = "always", split: splits = true } = step;
  if (typeof replacement !== "string" || !["always", "first", "never"].includes(String(scheme)))
    throw unsupported("pre_tokenizer", step);
  // Early files say `add_prefix_space`; Rust opens them where that is true.
  if (step.add_prefix_space === false && scheme !== "never")
    throw unsupported("add_prefix_space", false);
  const marks = { type: "Metaspace", replacement, prepend_scheme: scheme };
  const merged = { type: "Split", behavior: "MergedWithNext", pattern: { String: replacement } };
  return splits ? sequence([marks, readSplit(merged)]) : marks;
}

function sequence(steps: readonly Definition[]): Definition {
  return { type: "Sequence", pretokenizers: steps };
}

function split(pattern: Definition): Definition {
  return { type: "Split", pattern: readPattern(pattern), behavior: "Isolated", invert: false };
}

function readPattern(value: unknown): Definition {
  const { Regex, String: text } = asObject(value) ?? {};
  if (typeof text === "string" && text !== "") return { Regex: escapePattern(text) };
  if (typeof Regex === "string" && Regex !== "") return { Regex: rewritePattern(Regex) };
  throw unsupported("pattern", value);
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&");
}

/**
 * Rust numbers added tokens itself: by the vocabulary, otherwise upwards. The `id` in the file must
 * be that number.
 */
function readAddedTokens(value: unknown, model: Definition): readonly Definition[] {
  const vocab = asObject(model.vocab)!;
  let next = Object.keys(vocab).length;
  return list(value ?? [], "added_tokens").map((item) => {
    const token = asObject(item) ?? {};
    const { content, id } = token;
    if (typeof content !== "string" || content === "") throw unsupported("added token", item);
    if (token.single_word === true) throw unsupported("single_word of an added token", content);
    const expected = Object.hasOwn(vocab, content) ? vocab[content] : next;
    if (id !== expected)
      throw unsupported("id of an added token", `${content}: ${show(id)}, Rust gives ${expected}`);
    next = Math.max(next, Number(id) + 1);
    return token;
  });
}

function list(value: unknown, name: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw unsupported(name, value);
}

function unsupported(what: string, value: unknown): Error {
  if (value === undefined) return new Error(`${what} is missing`);
  return new Error(`${what} is ${show(value)}, which it does not encode as Rust's tokenizers do`);
}
