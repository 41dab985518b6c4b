import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { bundledCorpus } from "../src/calibration/corpus.ts";
import { openTokenizer } from "../src/calibration/tokenizer.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import { byArchitecture } from "./models.ts";
import { findPython } from "./python/python.ts";

/** Our token ids against those of Rust's tokenizers, the library behind every fast tokenizer of Python. */
const script = fileURLToPath(new URL("./python/tokenizer_conformance.py", import.meta.url));
const python = findPython("tokenizers");
const title = "reason" in python ? `tokenizers (${python.reason})` : "tokenizers";

/** What the corpus lacks: blanks, unusual characters, special tokens in the text. */
const hard = [
  "",
  " \n\n\t  a  b\r\n\r\n",
  "İI ß ﬁ é é 한국어 हिन्दी العربية 👩‍👩‍👧 \u0085\u200b\ufeff\u0000",
  "1234567890 it'S we'Ll 3.14e-5 <s>x</s> <think> a</think>\n",
];

function pythonIds(folder: string, texts: readonly string[]): number[][] {
  if ("reason" in python) throw new Error(python.reason);
  const input = { input: JSON.stringify(texts), encoding: "utf8" as const, maxBuffer: 1 << 28 };
  const { stdout, stderr, status } = spawnSync(python.path, [script, join(folder, "tokenizer.json")], input);
  if (status !== 0) throw new Error(stderr);
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

describe.skipIf("reason" in python)(title, () => {
  test.each(Object.entries(byArchitecture))("gives the ids that ours gives: %s", async (_, folder) => {
    const corpora = [await bundledCorpus("calibration"), await bundledCorpus("evaluation")];
    const documents = corpora.flatMap(({ texts }) => texts.flatMap((text) => text.documents));
    const texts = [...documents.map((document) => `${document}\n\n`), ...hard];
    const base = await openFolder(folder);
    const { encode } = await openTokenizer(base);
    await base.close?.();
    const expected = pythonIds(folder, texts);
    expect(expected.length).toBe(texts.length);
    expect(expected.flat().length).toBeGreaterThan(200_000);
    texts.forEach((text, index) => {
      expect(encode(text), JSON.stringify(text.slice(0, 200))).toEqual(expected[index]);
    });
  });
});
