import { spawnSync } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bundledCorpus } from "../src/calibration/corpus.ts";
import { openTokenizer } from "../src/calibration/tokenizer.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import { findPython } from "./python/python.ts";
import { removeFolder, scratchFolder } from "./support/models.ts";
import { added, equal, type Json, refused } from "./support/tokenizer-variants.ts";

/** Settings that @huggingface/tokenizers and Rust's tokenizers read differently. */
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
  "e \u0004 ee s\u0004een \u0004\u0006s]^-\\[ weee'e e's theeere 1\u00042e3",
];

const endOfText = "<|endoftext|>";
/** Folders without tokenizer.json: [name, kind, tokenizer_config.json, more files]. */
const vocabularies: readonly (readonly [string, string, Json, Record<string, unknown>])[] = [
  ["GPT-2", "llama-3", { tokenizer_class: "GPT2Tokenizer" }, {}],
  ["Qwen2", "qwen", { tokenizer_class: "Qwen2Tokenizer", eos_token: "</s>" }, {}],
  ["Qwen2 by its model_type", "qwen", {}, { "config.json": { model_type: "qwen3" } }],
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
];

interface Task {
  readonly command: "ids" | "auto";
  readonly place: string;
  /** Texts that only this task asks about. */
  readonly more: readonly string[];
}

function runPython(args: readonly string[], input = ""): string {
  if ("reason" in python) throw new Error(python.reason);
  const options = { input, encoding: "utf8" as const, maxBuffer: 1 << 28 };
  const { stdout, stderr, status } = spawnSync(python.path, [script, ...args], options);
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

async function encoder(folder: string) {
  const base = await openFolder(folder);
  const { encode } = await openTokenizer(base).finally(() => base.close?.());
  return encode;
}

describe.skipIf("reason" in python)(title, async () => {
  const corpus = await bundledCorpus("evaluation");
  const documents = corpus.texts.flatMap((text) => text.documents);
  // tokenizer-conformance.test.ts compares the kinds themselves over the whole corpus.
  const all = [...texts, ...corpus.texts.flatMap((text) => text.documents.slice(0, 2))];
  let folder: string;
  let count = 0;
  const places = new Map<string, Task>();
  /** Ids from Python, by name of the variant. */
  const expected = new Map<string, readonly number[][]>();

  // Python starts twice for all tests of this file: to train, and to encode.
  beforeAll(async () => {
    folder = await scratchFolder();
    if ("reason" in python) return;
    runPython(["train", folder], JSON.stringify(documents));
    for (const [name, kind, vary] of equal) {
      const place = join(await write(kind, vary), "tokenizer.json");
      places.set(name, { command: "ids", place, more: [] });
    }
    for (const [name, ...variant] of vocabularies) {
      const place = await writeVocabulary(...variant);
      places.set(name, { command: "auto", place, more: [`a${endOfText}b <z> c`] });
    }
    const tasks = join(folder, "tasks.json");
    await writeFile(tasks, JSON.stringify({ texts: all, tasks: [...places.values()] }));
    const lines = runPython(["many", tasks]).trim().split("\n");
    for (const [at, name] of [...places.keys()].entries())
      expected.set(name, JSON.parse(lines[at]!));
  }, 120_000);
  afterAll(() => removeFolder(folder));

  async function write(kind: string, vary: (tokenizer: Json) => Json): Promise<string> {
    const place = join(folder, `variant-${count++}`);
    await mkdir(place);
    const trained = JSON.parse(await readFile(join(folder, kind, "tokenizer.json"), "utf8"));
    await writeFile(join(place, "tokenizer.json"), JSON.stringify(vary(trained)));
    return place;
  }

  /** A folder with vocab.json and merges.txt instead of tokenizer.json. */
  async function writeVocabulary(
    kind: string,
    settings: Json,
    more: Readonly<Record<string, unknown>>,
  ): Promise<string> {
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
    return place;
  }

  async function expectSameIds(name: string): Promise<void> {
    const { command, place, more } = places.get(name)!;
    const encode = await encoder(command === "ids" ? dirname(place) : place);
    const asked = [...all, ...more];
    expect(expected.get(name)).toHaveLength(asked.length);
    asked.forEach((text, at) => {
      const own = encode(text);
      const theirs = expected.get(name)![at]!;
      // An assertion per text would take most of the time, so only a difference is asserted.
      if (own.length !== theirs.length || own.some((id, i) => id !== theirs[i]))
        expect(own, JSON.stringify(text.slice(0, 100))).toEqual(theirs);
    });
  }

  test.each(equal.map(([name]) => name))("%s gives the ids of Rust's tokenizers", expectSameIds);

  test.each(refused)("%s is refused", async (_, kind, vary) => {
    await expect(encoder(await write(kind, vary))).rejects.toMatchObject({
      code: "UNSUPPORTED_MODEL",
      message: expect.stringMatching(/cannot be used/),
      hint: expect.stringMatching(/method: rounded/),
    });
  });

  test("a Unigram tokenizer with byte_fallback is refused", async () => {
    const place = join(folder, "unigram");
    await mkdir(place);
    await writeFile(join(place, "tokenizer.json"), await readFile(unigram));
    await expect(encoder(place)).rejects.toMatchObject({ code: "UNSUPPORTED_MODEL" });
  });

  test.each(vocabularies.map(([name]) => name))(
    "vocab.json with merges.txt (%s) gives the ids of transformers",
    expectSameIds,
  );
});
