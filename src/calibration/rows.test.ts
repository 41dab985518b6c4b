import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { embedded } from "../../test/support/models.ts";
import { openFolder } from "../checkpoint/folder.ts";
import { bundledCorpus, type Corpus } from "./corpus.ts";
import { seededRandom, windowStarts } from "./random.ts";
import { drawRows, type RowsRequest } from "./rows.ts";
import { openTokenizer, type Tokenizer } from "./tokenizer.ts";

/** One id per character: a row can be read back as text. */
const characters: Pick<Tokenizer, "name" | "encode"> = {
  name: "characters",
  encode: (text) => [...text].map((c) => c.codePointAt(0)!),
};

/** A corpus in which every character occurs once, so that a window is found again in its place. */
function corpus(...sizes: number[]): Corpus {
  let next = 0x4e00;
  const texts = sizes.map((size, index) => {
    const text = String.fromCodePoint(...Array.from({ length: size }, () => next++));
    return {
      domain: `d${index}`,
      documents: size === 0 ? [] : [text.slice(0, size >> 1), text.slice(size >> 1)],
    };
  });
  return { name: "test", sha256: "", texts };
}

function request(change: Partial<RowsRequest> = {}): RowsRequest {
  const base = { tokenizer: characters, corpus: corpus(400, 400, 400), vocabularySize: 1 << 21 };
  return { ...base, samples: 10, length: 16, seed: 7, ...change };
}

const tokensOf = (ids: Uint32Array) => [...ids].filter((id) => id >= 0x4e00);

describe("drawing rows", () => {
  test("is the same for the same arguments and another for another seed", () => {
    const first = drawRows(request());
    expect(drawRows(request())).toEqual(first);
    expect(drawRows(request({ seed: 8 })).sha256).not.toBe(first.sha256);
    expect(first.ids.buffer).toBeInstanceOf(SharedArrayBuffer);
    // Pinned: a release that draws other rows from the same text must say so.
    expect([...first.ids.subarray(0, 4)]).toEqual([20006, 20007, 20008, 20009]);
    const bytes = Buffer.alloc(4 * first.ids.length);
    for (const [index, id] of first.ids.entries()) bytes.writeUInt32LE(id, 4 * index);
    expect(first.sha256).toBe(createHash("sha256").update(bytes).digest("hex"));
  });

  test("gives each domain the same number of rows, the first ones the remainder, and labels each row", () => {
    const { rows, domains, tokens, ids } = drawRows(request());
    expect(domains).toEqual({ d0: 4, d1: 3, d2: 3 });
    expect(rows.map(({ domain }) => domain).join(" ")).toBe("d0 d0 d0 d0 d1 d1 d1 d2 d2 d2");
    expect(tokens).toBe(160);
    rows.forEach(({ domain }, row) => {
      const from = 0x4e00 + 400 * Number(domain.slice(1));
      for (const id of tokensOf(ids.subarray(16 * row, 16 * row + 16))) {
        expect(id >= from && id < from + 400).toBe(true);
      }
    });
  });

  test("never shows a token twice, and shows whole runs of the text", () => {
    for (const seed of [0, 1, 2, 3, 0xffffffff]) {
      const { ids } = drawRows(request({ seed, samples: 60 }));
      const shown = tokensOf(ids);
      expect(new Set(shown).size).toBe(shown.length);
      const steps = [...ids]
        .slice(1)
        .filter((id, at) => id >= 0x4e00 && ids[at]! >= 0x4e00 && id !== ids[at]! + 1);
      expect(steps.length).toBeLessThan(60); // only from one row to the next
    }
  });

  test("draws from other domains the rows that a short one lacks", () => {
    const { domains } = drawRows(request({ corpus: corpus(400, 36, 400) }));
    expect(domains).toEqual({ d0: 5, d1: 2, d2: 3 });
    expect(drawRows(request({ corpus: corpus(0, 10, 400) })).domains).toEqual({ d2: 10 });
  });

  test("uses a text to its last token, and says if it is too short", () => {
    // Two documents, each with two line breaks after it: 64 and 96 tokens.
    const exact = corpus(60, 92);
    expect(drawRows(request({ corpus: exact, samples: 10 })).domains).toEqual({ d0: 4, d1: 6 });
    expect(() => drawRows(request({ corpus: exact, samples: 11 }))).toThrow(
      /test is too short: 11 rows of 16 tokens are needed \(176 tokens\), its 160 tokens give 10/,
    );
    expect(() => drawRows(request({ corpus: corpus() }))).toThrow(/its 0 tokens give 0/);
  });

  test("encodes no more of a large text than it needs", () => {
    let encoded = 0;
    const encode = (text: string) => {
      encoded++;
      return characters.encode(text);
    };
    const documents = Array.from({ length: 10_000 }, (_, index) => `document ${index}`);
    drawRows(
      request({
        tokenizer: { name: "", encode },
        corpus: { ...corpus(), texts: [{ domain: "x", documents }] },
      }),
    );
    expect(encoded).toBeLessThan(40);
  });

  test("refuses a token outside of the vocabulary, naming both", () => {
    expect(() => drawRows(request({ vocabularySize: 0x4e00 + 1000 }))).toThrow(
      /characters gives token \d+, outside of the model's vocabulary of 20968/,
    );
  });

  test("finds 128 rows of 256 tokens in both parts of the bundled corpus for the embedded model", async () => {
    const base = await openFolder(embedded);
    const tokenizer = await openTokenizer(base);
    await base.close?.();
    const shares = {
      en: 15,
      es: 15,
      fr: 14,
      de: 14,
      ja: 14,
      it: 14,
      code: 14,
      math: 14,
      reasoning: 14,
    };
    for (const [part, sha256] of [
      ["calibration", "cbc4a6d154f492d92709230491fce9214abf034a7e3f54c1332e485dd3295fcb"],
      ["evaluation", "62e831a5731fe8005c14a2804bac6bcfba42e8909aa589f15208d7ecb75f9236"],
    ] as const) {
      const bundled = await bundledCorpus(part);
      const drawn = drawRows(
        request({
          tokenizer,
          corpus: bundled,
          samples: 128,
          length: 256,
          seed: 0,
          vocabularySize: 4096,
        }),
      );
      expect(drawn.domains).toEqual(shares);
      expect(drawn.sha256).toBe(sha256);
    }
  });
});

describe("random places", () => {
  test("windows fill a text without spare tokens, and spread over a longer one", () => {
    expect(windowStarts(3, 5, 15, seededRandom(1))).toEqual([0, 5, 10]);
    const starts = Array.from({ length: 500 }, (_, seed) =>
      windowStarts(2, 5, 100, seededRandom(seed)),
    );
    expect(starts.every(([a, b]) => a! >= 0 && b! >= a! + 5 && b! <= 95)).toBe(true);
    expect(Math.min(...starts.map(([a]) => a!))).toBeLessThan(3);
    expect(Math.max(...starts.map(([, b]) => b!))).toBeGreaterThan(92);
  });
});
