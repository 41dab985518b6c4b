import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bundledCorpus } from "../src/calibration/corpus.ts";
import { openTokenizer } from "../src/calibration/tokenizer.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import { findPython } from "./python/python.ts";
import { byArchitecture, removeFolder, scratchFolder } from "./support/models.ts";

/**
 * Compares our token ids with those of Rust's tokenizers, the library behind Python's fast
 * tokenizers.
 */
const script = fileURLToPath(new URL("./python/tokenizer_conformance.py", import.meta.url));
const python = findPython("tokenizers");
const title = "reason" in python ? `tokenizers (${python.reason})` : "tokenizers";

/** Texts that the corpus lacks: blanks, unusual characters, special tokens. */
const hard = [
  "",
  " \n\n\t  a  b\r\n\r\n",
  "İI ß ﬁ e\u0301 é 한국어 हिन्दी العربية 👩‍👩‍👧 \u0085\u200b\ufeff\u0000",
  "1234567890 it'S we'Ll 3.14e-5 <s>x</s> <think> a</think>\n",
  "XMLHttpRequest ÄÖÜber//\n  DŽungla ǅ 第3章　全角  ",
];

function runPython(command: "ids" | "train", place: string, texts: readonly string[]): string[] {
  if ("reason" in python) throw new Error(python.reason);
  const options = { input: JSON.stringify(texts), encoding: "utf8" as const, maxBuffer: 1 << 28 };
  const { stdout, stderr, status } = spawnSync(python.path, [script, command, place], options);
  if (status !== 0) throw new Error(stderr);
  return stdout.trim().split("\n");
}

async function compare(folder: string, texts: readonly string[]): Promise<number> {
  const base = await openFolder(folder);
  const { encode } = await openTokenizer(base);
  await base.close?.();
  const expected = runPython("ids", join(folder, "tokenizer.json"), texts).map(
    (line) => JSON.parse(line) as number[],
  );
  expect(expected.length).toBe(texts.length);
  texts.forEach((text, index) => {
    expect(encode(text), JSON.stringify(text.slice(0, 200))).toEqual(expected[index]);
  });
  return expected.flat().length;
}

describe.skipIf("reason" in python)(title, async () => {
  const corpora = [await bundledCorpus("calibration"), await bundledCorpus("evaluation")];
  const documents = corpora.flatMap(({ texts }) => texts.flatMap((text) => text.documents));
  const texts = [...documents.map((document) => `${document}\n\n`), ...hard];
  let trained: string;
  beforeAll(async () => {
    trained = await scratchFolder();
    runPython(
      "train",
      trained,
      corpora[1]!.texts.flatMap((text) => text.documents),
    );
  }, 60_000);
  afterAll(() => removeFolder(trained));

  test("gives our ids for the embedded model over the whole corpus", async () => {
    expect(await compare(byArchitecture.nemotron_h!, texts)).toBeGreaterThan(200_000);
  });

  test.each(["llama-2", "llama-3", "qwen", "tekken"])(
    "gives our ids for a tokenizer of the kind of %s",
    async (kind) => {
      expect(await compare(join(trained, kind), texts)).toBeGreaterThan(150_000);
    },
  );
});
