import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { embedded } from "../../test/support/models.ts";
import type { Repository } from "../checkpoint/repository.ts";
import { openTokenizer } from "./tokenizer.ts";

const real = JSON.parse(await readFile(join(embedded, "tokenizer.json"), "utf8"));

/** A base that holds these files. */
function holding(files: Record<string, string>): Repository {
  const bytes = new Map(
    Object.entries(files).map(([path, text]) => [path, new TextEncoder().encode(text)]),
  );
  return {
    id: "acme/base",
    name: "base",
    revision: "0".repeat(40),
    files: new Map([...bytes].map(([path, { length }]) => [path, length])),
    open: async (path) => {
      const data = bytes.get(path)!;
      return {
        name: path,
        size: data.length,
        read: async (offset, length) => data.slice(offset, offset + length),
      };
    },
  };
}

const open = (tokenizer: unknown) =>
  openTokenizer(holding({ "tokenizer.json": JSON.stringify(tokenizer) }));

describe("a base's tokenizer", () => {
  test("adds no special tokens, and encodes those in the text as such", async () => {
    const { encode, name } = await open(real);
    expect(name).toBe("acme/base/tokenizer.json");
    expect(encode("")).toEqual([]);
    expect(encode("<s>a</s>")).toEqual([1, real.model.vocab.a, 2]);
    expect(encode("it's 42 日本\n\n").length).toBeGreaterThan(5);
  });

  test("may know the word __proto__ like any other", async () => {
    const text = JSON.stringify({
      ...real,
      added_tokens: [],
      pre_tokenizer: null,
      model: { type: "BPE", vocab: { a: 0, "?": 1 }, merges: [], unk_token: "?" },
    });
    const { encode } = await openTokenizer(
      holding({ "tokenizer.json": text.replace('"a":0', '"a":0,"__proto__":9') }),
    );
    expect(encode("a")).toEqual([0]);
  });

  test.each([
    ["is missing", { "tokenizer.model": "" }, "MISSING_FILE", /acme\/base has no tokenizer.json/],
    [
      "is no JSON",
      { "tokenizer.json": '{"model"' },
      "BAD_CHECKPOINT",
      /tokenizer.json is not JSON/,
    ],
    ["is no object", { "tokenizer.json": "[1]" }, "BAD_CHECKPOINT", /not a JSON object/],
    [
      "is empty",
      { "tokenizer.json": "{}" },
      "UNSUPPORTED_MODEL",
      /cannot be used by @huggingface\/tokenizers: /,
    ],
  ])("that %s is refused with what can be done", async (_, files, code, message) => {
    const error = await openTokenizer(holding(files as unknown as Record<string, string>)).catch(
      (failure) => failure,
    );
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    if (code !== "BAD_CHECKPOINT") expect(error.hint).toMatch(/`method: rounded`/);
  });

  test.each([
    ["a kind of model", { ...real, model: { type: "Oracle" } }],
    [
      "a kind of model with the fields of another",
      { ...real, model: { ...real.model, type: "Oracle" } },
    ],
    ["a step", { ...real, pre_tokenizer: { type: "Magic" } }],
    [
      "a pattern",
      { ...real, pre_tokenizer: { type: "Split", pattern: { Regex: "(" }, behavior: "Isolated" } },
    ],
    ["no model at all", { ...real, model: null }],
  ])("that the library does not know (%s) is refused", async (_, definition) => {
    await expect(open(definition)).rejects.toMatchObject({
      code: "UNSUPPORTED_MODEL",
      hint: expect.any(String),
    });
  });

  test("is refused if only tokenizer.model exists", async () => {
    await expect(openTokenizer(holding({ "tokenizer.model": "x" }))).rejects.toMatchObject({
      code: "MISSING_FILE",
      message: expect.stringContaining("it has tokenizer.model"),
    });
  });

  test.each([
    [
      "another class",
      { tokenizer_class: "LlamaTokenizer" },
      {},
      /tokenizer_class is "LlamaTokenizer"/,
    ],
    ["no class", {}, {}, /tokenizer_class is "none"; .* one of GPT2Tokenizer/],
    ["no class, of a llama", {}, { "config.json": '{"model_type": "llama"}' }, /is "none"/],
    [
      "a class that needs tokenizer.json",
      { tokenizer_class: "TokenizersBackend" },
      { "config.json": '{"model_type": "qwen3"}' },
      /is "TokenizersBackend"/,
    ],
    [
      "a prefix space",
      { tokenizer_class: "GPT2Tokenizer", add_prefix_space: true },
      {},
      /add_prefix/,
    ],
    [
      "a token that takes blanks",
      {
        tokenizer_class: "Qwen2Tokenizer",
        added_tokens_decoder: { 3: { content: "<z>", lstrip: true } },
      },
      {},
      /takes the blanks/,
    ],
    [
      "a merge of three",
      { tokenizer_class: "GPT2Tokenizer" },
      { "merges.txt": "a b c" },
      /merges.txt has the line/,
    ],
    [
      "a vocabulary that is no JSON",
      { tokenizer_class: "GPT2Tokenizer" },
      { "vocab.json": "{" },
      /./,
    ],
    [
      "a vocabulary that is a list",
      { tokenizer_class: "GPT2Tokenizer" },
      { "vocab.json": "[]" },
      /./,
    ],
  ])("vocab.json and merges.txt with %s are refused", async (_, settings, files, message) => {
    const base = holding({
      "vocab.json": '{"a": 0}',
      "merges.txt": "#version: 0.2\n",
      "tokenizer_config.json": JSON.stringify(settings),
      ...(files as Record<string, string>),
    });
    await expect(openTokenizer(base)).rejects.toMatchObject({
      code: "UNSUPPORTED_MODEL",
      message: expect.stringMatching(message),
    });
  });

  test("that has no id for a word is refused when it meets one", async () => {
    const words = { "a b\n": 0 };
    const { encode } = await open({
      ...real,
      added_tokens: [],
      pre_tokenizer: null,
      model: { type: "WordLevel", vocab: words },
    });
    expect(() => encode("other")).toThrow(/has no id for "other"/);
  });
});
