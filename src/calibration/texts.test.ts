import { describe, expect, test } from "vitest";
import { readTexts } from "./texts.ts";

const read = (path: string, content: string | Uint8Array) =>
  readTexts(typeof content === "string" ? new TextEncoder().encode(content) : content, path, path);

describe("a text file", () => {
  test(".txt is documents of one domain, with or without a byte order mark", () => {
    const texts = [{ domain: "custom", documents: ["one\nmore", "two"] }];
    expect(read("a/b.txt", "one\nmore\n\ntwo\n")).toEqual(texts);
    expect(read("B.TXT", "\ufeffone\nmore\n\ntwo\n")).toEqual(texts);
  });

  test(".jsonl has one document per line; domains have the order of first appearance", () => {
    const lines = [
      '{"text": "eins", "domain": "de", "id": 7}',
      "",
      '{"text": "one"}',
      '{"domain": "de", "text": "zwei\\n\\nnoch"}',
    ];
    expect(
      read("a.jsonl", `${lines.join("\r\n")}\n{"text": " "}\n{"text": "two", "domain": null}`),
    ).toEqual([
      { domain: "de", documents: ["eins", "zwei\n\nnoch"] },
      { domain: "custom", documents: ["one", "two"] },
    ]);
  });

  test(".json is a list of strings or of such objects", () => {
    expect(read("a.json", '["one", {"text": "eins", "domain": "de"}, "two"]')).toEqual([
      { domain: "custom", documents: ["one", "two"] },
      { domain: "de", documents: ["eins"] },
    ]);
  });

  test.each([
    ["blank.txt", " \n\n\f", /blank.txt holds no text/],
    ["blank.jsonl", "\n\n", /holds no text/],
    ["blank.json", '["", {"text": " "}]', /holds no text/],
    ["latin1.txt", Uint8Array.of(0x4d, 0xfc, 0x6c, 0x6c), /latin1.txt is not UTF-8/],
    ["cut.txt", Uint8Array.of(0x61, 0xe2, 0x82), /is not UTF-8/],
    ["utf16.txt", Uint8Array.of(0x61, 0, 0x62, 0), /holds a zero byte/],
    [
      "a.parquet",
      "PAR1",
      /a.parquet is of no format that can be read: expected .txt, .jsonl, .json/,
    ],
    ["noextension", "text", /of no format/],
    ["a.constructor", "text", /of no format/],
    [
      "a.jsonl",
      '{"text": "a"}\nplain\n',
      /a.jsonl, line 2: expected a JSON object with a string "text"/,
    ],
    ["a.jsonl", '{"text": "a"}\n\n"b"\n', /line 3: expected/],
    ["a.jsonl", '{"content": "a"}\n', /line 1: expected/],
    ["a.jsonl", '{"text": ["a"]}\n', /line 1: expected/],
    ["a.jsonl", '{"text": "a", "domain": 4}\n', /line 1: "domain" is not the name of one/],
    ["a.jsonl", '{"text": "a", "domain": "<b>"}\n', /line 1: "domain"/],
    ["a.json", '{"text": "a"}', /a.json is not a JSON list/],
    ["a.json", '["a"', /is not a JSON list/],
    ["a.json", '["a", 4]', /item 2: expected a string or a JSON object with a string "text"/],
    [
      "a.json",
      JSON.stringify(Array.from({ length: 257 }, (_, n) => ({ text: "a", domain: `d${n}` }))),
      /257 domains/,
    ],
  ])("%s with %j is refused: %s", (path, content, words) => {
    let failure: unknown;
    try {
      read(path, content);
    } catch (error) {
      failure = error;
    }
    expect(failure).toMatchObject({
      code: "BAD_INPUT",
      message: expect.stringMatching(words),
      hint: expect.stringMatching(/\w/),
    });
    expect((failure as Error).message).toMatch(/^calibration: /);
  });
});
