import { expect, test } from "vitest";
import { OqeError } from "../ground/errors.ts";
import { parseJson, quote, show, writeJson } from "./json.ts";

const texts = [
  '{"a": [1, 2.5, -3e-7, 0, -0.0, 1E5], "b": {"c": null, "d": true, "e": false}, "": []}',
  '"\\u00e9\\n\\t\\"\\\\\\/ \\ud83d\\ude00 é😀"',
  " [ ] ",
  "{}",
  "-12.5e+3",
  '[[[[{"x":[{}]}]]]]',
  '{"constructor": 1, "toString": 2, "hasOwnProperty": 3}',
];

test.each(texts)("agrees with JSON.parse on %s", (text) => {
  expect(parseJson(text, "x.json")).toStrictEqual(JSON.parse(text));
});

test("agrees with JSON.parse on every cut and every one-character change of a document", () => {
  const document = '{"a":[1,-2.5e3,"b\\n\\u0041"],"c":{"d":null,"e":true}}';
  const marks = ['"', ",", ":", "{", "}", "[", "]", "\\", "-", ".", "e", "0", " ", "x", "\n"];
  const variants = [...document].flatMap((_, i) => [
    document.slice(0, i),
    ...marks.map((mark) => document.slice(0, i) + mark + document.slice(i + 1)),
    ...marks.map((mark) => document.slice(0, i) + mark + document.slice(i)),
  ]);
  for (const text of variants) {
    const attempt = (parse: () => unknown) => {
      try {
        return { value: parse() };
      } catch {
        return "refused";
      }
    };
    expect([text, attempt(() => parseJson(text, "x.json"))]).toStrictEqual([
      text,
      attempt(() => JSON.parse(text)),
    ]);
  }
});

test("reads the floats that only Python writes", () => {
  expect(parseJson('[NaN, Infinity, -Infinity, {"__float__": "-Infinity"}]', "x.json")).toEqual([
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ]);
  expect(parseJson('{"__float__": "NaN"}', "x.json")).toBeNaN();
  expect(parseJson('{"__float__": "one"}', "x.json")).toEqual({ __float__: "one" });
  expect(parseJson('{"__float__": "NaN", "more": 1}', "x.json")).toEqual({
    __float__: "NaN",
    more: 1,
  });
});

test("says where the text is wrong", () => {
  const parse = () => parseJson('{\n  "a": 1,\n  "b" 2\n}', "org/model@main/config.json");
  expect(parse).toThrow(OqeError);
  expect(parse).toThrow(
    `org/model@main/config.json is not valid JSON: line 3, column 7: expected ':', got "2\\n}"`,
  );
  expect(() => parseJson("[1", "x.json")).toThrow(
    "x.json is not valid JSON: line 1, column 3: expected ',' or ']', got the end of the text",
  );
});

test("takes the last of two equal keys, as Python does, unless told to refuse them", () => {
  expect(parseJson('{"a": 1, "a": 2}', "x.json")).toEqual({ a: 2 });
  expect(() =>
    parseJson('{"a": 1, "b": {"a": 1}, "a": 2}', "x.json", { duplicateKeys: "refuse" }),
  ).toThrow('column 28: the key "a" occurs twice');
});

test("never lets a document reach a prototype", () => {
  expect(() => parseJson('{"__proto__": {"polluted": 1}}', "x.json")).toThrow("__proto__");
  expect(() => parseJson('{"a": {"\\u005f_proto__": []}}', "x.json")).toThrow("__proto__");
});

test("writes what Python's json reads back as the same types", () => {
  const floatKeys = new Set<string>();
  const text =
    '{"z": 1, "rope_theta": 10000.0, "a": {"z": 0.0, "b": 1e6}, "limit": [0.0, Infinity], "n": [], "o": {}, "s": "é"}';
  const value = parseJson(text, "x.json", { floatKeys });
  expect([...floatKeys].sort()).toEqual(["b", "limit", "rope_theta", "z"]);
  floatKeys.delete("z");
  expect(writeJson(value, 4, floatKeys)).toBe(`{
    "a": {
        "z": 0,
        "b": 1000000.0
    },
    "limit": [
        0.0,
        {"__float__": "Infinity"}
    ],
    "n": [],
    "o": {},
    "rope_theta": 10000.0,
    "s": "é",
    "z": 1
}`);
});

test("keeps integers integers and leaves out what is undefined", () => {
  expect(writeJson({ big: 1e30, small: 1e-7, gone: undefined, list: [undefined] }, 0)).toBe(
    '{\n"big": 1000000000000000019884624838656,\n"list": [\nnull\n],\n"small": 1e-7\n}',
  );
  expect(writeJson({ big: 1e30 }, 0, new Set(["big"]))).toContain("1e+30");
});

test("what it writes it reads back", () => {
  const value = {
    b: [1, 2.5, { c: Number.NaN }],
    a: { x: Number.NEGATIVE_INFINITY, y: "\u2028\n" },
    n: null,
    t: true,
  };
  expect(parseJson(writeJson(value, 2), "x.json")).toEqual(value);
});

test("names from hostile files are harmless in messages", () => {
  expect(quote("a\n\x1b[2J\u202e\x9b")).toBe('"a\\n\\u001b[2J\\u202e\\u009b"');
  expect(quote("x".repeat(1000))).toHaveLength(103);
  expect(show({ toString: 1 })).toBe('{\\"toString\\":1}');
  expect(show(undefined)).toBe("nothing");
  expect(show(Number.POSITIVE_INFINITY)).toBe("Infinity");
});
