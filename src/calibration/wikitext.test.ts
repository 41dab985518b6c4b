import { writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { removeFolder, scratchFolder } from "../../test/support/models.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { chunkLength, drawChunks, openWikitext } from "./wikitext.ts";

/** One id per character, and 1 before a whole text. */
const tokenizer: Tokenizer = {
  name: "characters",
  encode: (text) => [...text].map((letter) => letter.codePointAt(0)!),
  encodeWhole: (text) => [1, ...tokenizer.encode(text)],
};
let folder: string;
beforeAll(async () => {
  folder = await scratchFolder();
});
afterAll(() => removeFolder(folder));

async function opened(content: string | Uint8Array) {
  await writeFile(`${folder}/wiki.test.raw`, content);
  return openWikitext(`${folder}/wiki.test.raw`);
}

/** As the dataset has them: blank lines are rows without text, others end with a line's end. */
test("the text is that of the dataset's rows, joined by empty lines", async () => {
  const { name, text } = await opened(" \n = Title = \n \n First . \n Second . \n");
  expect(name).toBe("wiki.test.raw");
  expect(text).toBe(["", " = Title = \n", "", " First . \n", " Second . \n"].join("\n\n"));
  expect((await opened(" \r\n = Title = \r\n")).text).toBe("\n\n = Title = \n");
});

describe("chunks", () => {
  const textOf = (length: number) => ({
    name: "w",
    sha256: "",
    text: String.fromCharCode(...Array.from({ length }, (_, at) => 0x4e00 + at)),
  });
  const firstOf = (ids: Uint32Array) =>
    Array.from({ length: ids.length / chunkLength }, (_, row) => ids[row * chunkLength]);

  test("follow each other from the token before the text; the rest at the end is none", () => {
    const rows = drawChunks(textOf(3 * chunkLength - 2), 9, tokenizer, 1 << 16);
    expect(rows).toMatchObject({ samples: 2, length: 512, tokens: 1024 });
    expect(rows.domains).toEqual({ "WikiText-2": 2 });
    expect(firstOf(rows.ids)).toEqual([1, 0x4e00 + chunkLength - 1]);
    const whole = drawChunks(textOf(3 * chunkLength - 1), 9, tokenizer, 1 << 16);
    expect(whole.samples).toBe(3);
  });

  test("the first of a long text are those of the whole, and it is not encoded whole", () => {
    let encoded = 0;
    const counting = {
      ...tokenizer,
      encodeWhole: (text: string) => {
        encoded += text.length;
        return tokenizer.encodeWhole(text);
      },
    };
    const text = textOf(40 * chunkLength);
    const few = drawChunks(text, 2, counting, 1 << 16);
    expect(encoded).toBeLessThan(text.text.length);
    expect(few.ids).toEqual(drawChunks(text, 9, tokenizer, 1 << 16).ids.slice(0, 2 * chunkLength));
  });

  test("are refused for a text that is too short, or of another vocabulary", () => {
    expect(() => drawChunks(textOf(510), 1, tokenizer, 1 << 16)).toThrow(/w has 511 tokens/);
    expect(() => drawChunks(textOf(600), 1, tokenizer, 0x4e00)).toThrow(/outside of the model's/);
  });
});

test("a file that is no text is refused by its input's name", async () => {
  await expect(opened(Uint8Array.of(0xff, 0xfe))).rejects.toThrow(/is not UTF-8/);
  await expect(openWikitext(`${folder}/none`)).rejects.toThrow(/^wikitext: .*none does not exist/);
  await expect(opened("")).rejects.toThrow(/^wikitext: .*is empty/);
});
