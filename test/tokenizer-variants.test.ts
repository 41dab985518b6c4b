import { spawnSync } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bundledCorpus } from "../src/calibration/corpus.ts";
import { openTokenizer } from "../src/calibration/tokenizer.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import { findPython } from "./python/python.ts";
import { removeFolder, scratchFolder } from "./support/models.ts";
import { added, equal, type Json, refused } from "./support/tokenizer-variants.ts";

/** Settings of a tokenizer that @huggingface/tokenizers and Rust's tokenizers read differently. */
const script = fileURLToPath(new URL("./python/tokenizer_conformance.py", import.meta.url));
const unigram = fileURLToPath(new URL("./golden/unigram-byte-fallback.json", import.meta.url));
const python = findPython("transformers");
const title = "reason" in python ? `variants (${python.reason})` : "variants of tokenizers";

const texts = [
  "",
  " ",
  "a",
  "<s>",
  " <s> x<z> y</s>\n",
  "  two  blanks \n\n\t tab\r\n end ",
  "it's we'LL 'ſ \u212a'\u212a 1234 ½ ² ٣ Ⅳ 一二",
  "\u0085x\u0085 \ufeffy\ufeff \u00a0z \u3000w",
  "def f(x):\n    return x + 1\n\n漢字 ab ▁▁ ▁a",
  "İI ß ﬁ e\u0301 é 한국어 हिन्दी 👩‍👩‍👧 \u200b\u0000 $& $1",
];

function runPython(command: string, place: string, input: readonly string[]): number[][] {
  if ("reason" in python) throw new Error(python.reason);
  const options = { input: JSON.stringify(input), encoding: "utf8" as const, maxBuffer: 1 << 28 };
  const { stdout, stderr, status } = spawnSync(python.path, [script, command, place], options);
  if (status !== 0) throw new Error(stderr);
  return stdout
    .trim()
    .split("\n")
    .map((line) => (line === "" ? [] : JSON.parse(line)));
}

async function encoder(folder: string) {
  const base = await openFolder(folder);
  const { encode } = await openTokenizer(base).finally(() => base.close?.());
  return encode;
}

describe.skipIf("reason" in python)(title, async () => {
  const corpus = await bundledCorpus("evaluation");
  const documents = corpus.texts.flatMap((text) => text.documents);
  const all = [...texts, ...documents];
  let folder: string;
  let count = 0;
  beforeAll(async () => {
    folder = await scratchFolder();
    if ("reason" in python) return;
    const options = { input: JSON.stringify(documents), maxBuffer: 1 << 28 };
    const { status, stderr } = spawnSync(python.path, [script, "train", folder], options);
    if (status !== 0) throw new Error(String(stderr));
  }, 60_000);
  afterAll(() => removeFolder(folder));

  async function write(kind: string, vary: (tokenizer: Json) => Json): Promise<string> {
    const place = join(folder, `variant-${count++}`);
    await mkdir(place);
    const trained = JSON.parse(await readFile(join(folder, kind, "tokenizer.json"), "utf8"));
    await writeFile(join(place, "tokenizer.json"), JSON.stringify(vary(trained)));
    return place;
  }

  test.each(equal)("%s: ids are those of Rust", async (_, kind, vary) => {
    const place = await write(kind, vary);
    const encode = await encoder(place);
    const expected = runPython("ids", join(place, "tokenizer.json"), all);
    all.forEach((text, at) => {
      expect(encode(text), JSON.stringify(text.slice(0, 100))).toEqual(expected[at]);
    });
  });

  test.each(refused)("%s: refused", async (_, kind, vary) => {
    await expect(encoder(await write(kind, vary))).rejects.toMatchObject({
      code: "UNSUPPORTED_MODEL",
      message: expect.stringMatching(/cannot be used/),
      hint: expect.stringMatching(/method: rounded/),
    });
  });

  test("a Unigram tokenizer with byte_fallback: refused", async () => {
    const place = join(folder, "unigram");
    await mkdir(place);
    await writeFile(join(place, "tokenizer.json"), await readFile(unigram));
    await expect(encoder(place)).rejects.toMatchObject({ code: "UNSUPPORTED_MODEL" });
  });

  const endOfText = "<|endoftext|>";
  test.each<[string, string, Json, Record<string, unknown>]>([
    ["GPT-2", "llama-3", { tokenizer_class: "GPT2Tokenizer" }, {}],
    ["Qwen2", "qwen", { tokenizer_class: "Qwen2Tokenizer", eos_token: "</s>" }, {}],
    [
      "Qwen2 with added tokens",
      "qwen",
      {
        tokenizer_class: "Qwen2TokenizerFast",
        added_tokens_decoder: {
          2000: { ...added(endOfText, 0), id: undefined },
          2001: { ...added("<z>", 0, {}), id: undefined },
        },
        eos_token: "<z>",
        pad_token: endOfText,
      },
      {},
    ],
    [
      "GPT-2 with added_tokens.json and special_tokens_map.json",
      "llama-3",
      { tokenizer_class: "GPT2Tokenizer" },
      {
        "added_tokens.json": { "<z>": 2000 },
        "special_tokens_map.json": { eos_token: "<z>", bos_token: "<s>", unk_token: "<z>" },
      },
    ],
  ])(
    "vocab.json with merges.txt (%s): ids are those of transformers",
    async (_, kind, settings, more) => {
      const place = join(folder, `vocabulary-${count++}`);
      await mkdir(place);
      const trained = JSON.parse(await readFile(join(folder, kind, "tokenizer.json"), "utf8"));
      const merges = (trained.model.merges as string[][]).map((pair) => pair.join(" "));
      const files = {
        "vocab.json": JSON.stringify(trained.model.vocab),
        "merges.txt": `#version: 0.2\n${merges.join("\n")}\n`,
        "tokenizer_config.json": JSON.stringify(settings),
        ...Object.fromEntries(
          Object.entries(more).map(([file, text]) => [file, JSON.stringify(text)]),
        ),
      };
      for (const [file, text] of Object.entries(files)) await writeFile(join(place, file), text);
      const encode = await encoder(place);
      const asked = [...all, `a${endOfText}b <z> c`];
      const expected = runPython("auto", place, asked);
      asked.forEach((text, at) => {
        expect(encode(text), JSON.stringify(text.slice(0, 100))).toEqual(expected[at]);
      });
    },
    60_000,
  );
});
