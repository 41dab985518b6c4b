/** Variants of the tokenizers that test/python/tokenizer_conformance.py trains. */
export type Json = Record<string, unknown>;
const marks = { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true };
export const added = (content: string, id: number, more: Json = {}) => {
  const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  return { id, content, ...plain, special: true, ...more };
};
const splitBy = (behavior: string, pattern: Json, invert = false) => {
  return { type: "Split", pattern, behavior, invert };
};
const contractions = { Regex: String.raw`(?i:'s|'t|'k)|\p{L}+| ?\p{N}{1,3}|\s+(?!\S)|\s|[^\s]` };
/** Number of trained tokens: the `id` of the first added token. */
const vocabSize = (tokenizer: Json) => Object.keys((tokenizer.model as Json).vocab as Json).length;
const withModel = (tokenizer: Json, more: Json) => {
  return { ...tokenizer, model: { ...(tokenizer.model as Json), ...more } };
};
const withAdded = (tokenizer: Json, more: Json, shift = 0) => {
  const list = tokenizer.added_tokens as Json[];
  return {
    ...tokenizer,
    added_tokens: [...list, added("<z>", vocabSize(tokenizer) + shift, more)],
  };
};
const byteLevel = (more: Json) => ({ type: "ByteLevel", trim_offsets: true, ...more });
const pre = (tokenizer: Json, ...pretokenizers: Json[]) => {
  const [only] = pretokenizers;
  const steps = pretokenizers.length === 1 ? only : { type: "Sequence", pretokenizers };
  return { ...tokenizer, pre_tokenizer: steps };
};
/** A vocabulary without these letters, and without the tokens and merges that have them. */
const withoutLetters = (tokenizer: Json, letters: string) => {
  const known = (text: string) => ![...letters].some((letter) => text.includes(letter));
  const { vocab, merges } = tokenizer.model as { vocab: Json; merges: string[][] };
  const isAdded = new Set((tokenizer.added_tokens as Json[]).map(({ content }) => content));
  return withModel(tokenizer, {
    vocab: Object.fromEntries(Object.entries(vocab).filter(([t]) => isAdded.has(t) || known(t))),
    merges: merges.filter((pair) => known(pair.join(""))),
  });
};
const bytes = byteLevel({ add_prefix_space: false, use_regex: false });

/** Variants that give the ids of Rust: [name, kind, variation]. */
export const equal: readonly (readonly [string, string, (tokenizer: Json) => Json])[] = [
  ["ByteLevel with its own pattern", "qwen", (t) => pre(t, byteLevel({ add_prefix_space: false }))],
  [
    "a prefix space after a Split",
    "llama-3",
    (t) =>
      pre(
        t,
        splitBy("Isolated", contractions),
        byteLevel({ add_prefix_space: true, use_regex: false }),
      ),
  ],
  ["letters without case", "qwen", (t) => pre(t, splitBy("Isolated", contractions), bytes)],
  ["single digits", "qwen", (t) => pre(t, { type: "Digits", individual_digits: true }, bytes)],
  ["runs of digits", "qwen", (t) => pre(t, { type: "Digits", individual_digits: false }, bytes)],
  // U+0104 is the letter of the byte 4, which SmolLM2 lacks.
  ["bytes without a token", "qwen", (t) => withoutLetters(t, "e\u0104]^-\\")],
  [
    "single digits before ByteLevel with its own pattern, as SmolLM2 and StarCoder have it",
    "qwen",
    (t) =>
      pre(t, { type: "Digits", individual_digits: true }, byteLevel({ add_prefix_space: false })),
  ],
  ["Removed and inverted", "qwen", (t) => pre(t, splitBy("Removed", contractions, true), bytes)],
  ["Isolated string", "qwen", (t) => pre(t, splitBy("Isolated", { String: " " }), bytes)],
  [
    "MergedWithPrevious",
    "qwen",
    (t) => pre(t, splitBy("MergedWithPrevious", { String: " " }), bytes),
  ],
  ["MergedWithNext", "qwen", (t) => pre(t, splitBy("MergedWithNext", { String: " " }), bytes)],
  ["Contiguous", "qwen", (t) => pre(t, splitBy("Contiguous", { String: " " }), bytes)],
  ["ignore_merges", "qwen", (t) => withModel(t, { ignore_merges: true })],
  ["no type of the model", "qwen", (t) => withModel(t, { type: undefined })],
  [
    "merges as strings",
    "qwen",
    (t) =>
      withModel(t, {
        merges: ((t.model as Json).merges as string[][]).map((pair) => pair.join(" ")),
      }),
  ],
  ["NFKD", "qwen", (t) => ({ ...t, normalizer: { type: "NFKD" } })],
  [
    "truncation and padding",
    "qwen",
    (t) => ({
      ...t,
      truncation: { direction: "Right", max_length: 3, strategy: "LongestFirst", stride: 0 },
      padding: {
        strategy: { Fixed: 64 },
        direction: "Right",
        pad_to_multiple_of: null,
        pad_id: 0,
        pad_type_id: 0,
        pad_token: "<s>",
      },
    }),
  ],
  ["an added token", "qwen", (t) => withAdded(t, {})],
  ["an added token with lstrip", "qwen", (t) => withAdded(t, { lstrip: true })],
  ["an added token with rstrip", "qwen", (t) => withAdded(t, { rstrip: true })],
  ["a normalized added token", "qwen", (t) => withAdded(t, { normalized: true, special: false })],
  ["a normalized added token after Prepend", "llama-2", (t) => withAdded(t, { normalized: true })],
  ["Metaspace always", "llama-2", (t) => pre({ ...t, normalizer: null }, marks)],
  [
    "Metaspace first",
    "llama-2",
    (t) => pre({ ...t, normalizer: null }, { ...marks, prepend_scheme: "first" }),
  ],
  [
    "Metaspace first beside added tokens",
    "llama-2",
    (t) => pre(withAdded({ ...t, normalizer: null }, {}), { ...marks, prepend_scheme: "first" }),
  ],
  [
    "Metaspace never",
    "llama-2",
    (t) => pre({ ...t, normalizer: null }, { ...marks, prepend_scheme: "never" }),
  ],
  [
    "Metaspace without splits",
    "llama-2",
    (t) => pre({ ...t, normalizer: null }, { ...marks, split: false }),
  ],
  [
    "Metaspace of old files",
    "llama-2",
    (t) =>
      pre(
        { ...t, normalizer: null },
        { type: "Metaspace", replacement: "▁", add_prefix_space: true },
      ),
  ],
  ["byte_fallback without fuse_unk", "llama-2", (t) => withModel(t, { fuse_unk: false })],
  ["no byte_fallback", "llama-2", (t) => withModel(t, { byte_fallback: false })],
  [
    "no byte_fallback and no fuse_unk",
    "llama-2",
    (t) => withModel(t, { byte_fallback: false, fuse_unk: false }),
  ],
];

/** Refused: [name, kind, variation]. */
export const refused: readonly (readonly [string, string, (tokenizer: Json) => Json])[] = [
  [
    "no unknown token",
    "llama-2",
    (t) => withModel(t, { byte_fallback: false, fuse_unk: false, unk_token: null }),
  ],
  ...["byte_fallback", "ignore_merges"].map(
    (key) =>
      [
        `${key} and a byte without a token`,
        "qwen",
        (t: Json) => withModel(withoutLetters(t, "e"), { [key]: true }),
      ] as const,
  ),
  ["dropout", "qwen", (t) => withModel(t, { dropout: 0.1 })],
  ["a suffix of words", "qwen", (t) => withModel(t, { end_of_word_suffix: "</w>" })],
  ["a prefix within words", "qwen", (t) => withModel(t, { continuing_subword_prefix: "##" })],
  ["single_word", "qwen", (t) => withAdded(t, { single_word: true })],
  ["an id of an added token that Rust does not take", "qwen", (t) => withAdded(t, {}, 7)],
  [
    "a prefix space before its own pattern",
    "qwen",
    (t) => pre(t, byteLevel({ add_prefix_space: true })),
  ],
  ["Isolated and inverted", "qwen", (t) => pre(t, splitBy("Isolated", contractions, true), bytes)],
  ["Removed", "qwen", (t) => pre(t, splitBy("Removed", { String: " " }), bytes)],
  [
    "MergedWithNext of a pattern",
    "qwen",
    (t) => pre(t, splitBy("MergedWithNext", contractions), bytes),
  ],
  [
    "a possessive quantifier",
    "qwen",
    (t) => pre(t, splitBy("Isolated", { Regex: String.raw`\p{L}?+\p{L}|\s+` }), bytes),
  ],
  [
    "an atomic group",
    "qwen",
    (t) => pre(t, splitBy("Isolated", { Regex: String.raw`(?>\s+)a|\p{L}+` }), bytes),
  ],
  [
    "a pattern in another mode",
    "qwen",
    (t) => pre(t, splitBy("Isolated", { Regex: "(?m:.+)" }), bytes),
  ],
  ["Whitespace", "qwen", (t) => pre(t, { type: "Whitespace" }, bytes)],
  ["Punctuation", "qwen", (t) => pre(t, { type: "Punctuation", behavior: "Isolated" }, bytes)],
  [
    "Strip",
    "qwen",
    (t) => ({ ...t, normalizer: { type: "Strip", strip_left: true, strip_right: true } }),
  ],
  ["Lowercase", "qwen", (t) => ({ ...t, normalizer: { type: "Lowercase" } })],
  [
    "Precompiled",
    "qwen",
    (t) => ({ ...t, normalizer: { type: "Precompiled", precompiled_charsmap: "" } }),
  ],
  [
    "Metaspace after a Split",
    "llama-2",
    (t) => pre(t, splitBy("Isolated", { String: "a" }), marks),
  ],
  [
    "Metaspace first beside normalized tokens",
    "llama-2",
    (t) => pre(withAdded(t, { normalized: true }), { ...marks, prepend_scheme: "first" }),
  ],
  [
    "fuse_unk across words",
    "llama-2",
    (t) => pre(withModel({ ...t, normalizer: null }, { byte_fallback: false }), marks),
  ],
  [
    "WordPiece",
    "qwen",
    (t) => withModel(t, { type: "WordPiece", unk_token: "<s>", continuing_subword_prefix: "##" }),
  ],
  [
    "Unigram",
    "qwen",
    (t) => ({
      ...t,
      model: {
        type: "Unigram",
        unk_id: 0,
        vocab: [
          ["<unk>", 0],
          ["a", -1],
        ],
      },
    }),
  ],
];
