import { describe, expect, test } from "vitest";
import {
  code,
  commentJson,
  inline,
  link,
  prose,
  pythonString,
  shellWord,
  webAddress,
} from "./markdown.ts";

describe("inline", () => {
  test.each([
    ["Nemotron-3-Nano-30B-A3B", "Nemotron-3-Nano-30B-A3B"],
    ["time_step_limit 0.1.0", "time_step_limit 0.1.0"],
    ["a | b", "a \\| b"],
    ["a\nb\r\n\tc\u2028d", "a b c d"],
    ["`rm`", "\\`rm\\`"],
    ["<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"],
    ["-->", "\\--&gt;"],
    ["[x](javascript:alert(1))", "\\[x\\](javascript:alert(1))"],
    ["![x](y)", "\\!\\[x\\](y)"],
    ["*a* _b_ ~c~ $d$", "\\*a\\* \\_b\\_ \\~c\\~ \\$d\\$"],
    ["# heading", "\\# heading"],
    ["1. item", "1\\. item"],
    ["\\|", "\\\\\\|"],
    ["&lt;b&gt;", "&amp;lt;b&amp;gt;"],
    ["gnp\u202e.exe", "gnp.exe"],
    ["\u0000x\u0085", "x"],
  ])("%j becomes %j", (text, expected) => {
    expect(inline(text)).toBe(expected);
  });

  test("is cut at 500 characters, never inside one", () => {
    const cut = inline("😀".repeat(1000));
    expect([...cut]).toHaveLength(500);
    expect(cut.isWellFormed()).toBe(true);
  });
});

test("prose keeps code spans around plain names only", () => {
  expect(prose("`time_step_limit` is [0, 1]")).toBe("`time_step_limit` is \\[0, 1\\]");
  expect(prose("`a | <b>` is")).toBe("\\`a \\| &lt;b&gt;\\` is");
});

test("code is a code span only where the text cannot leave one", () => {
  expect(code("backbone.layers.*.mixer")).toBe("`backbone.layers.*.mixer`");
  expect(code("8bitX48, 6bitX70")).toBe("`8bitX48, 6bitX70`");
  expect(code("a`b|c")).toBe("a\\`b\\|c");
  expect(code("")).toBe("");
});

describe("links", () => {
  test.each([
    ["https://example.org/a_b?c=d#e", "https://example.org/a_b?c=d#e"],
    ["https://example.org/a)b](c", "https://example.org/a%29b%5D%28c"],
    ["https://example.org/a|b`c", "https://example.org/a%7Cb%60c"],
    ["javascript:alert(1)", null],
    ["data:text/html,x", null],
    ["https://user:pass@example.org/", null],
    ["LICENSE", null],
    [`https://example.org/${"a".repeat(600)}`, null],
  ])("%j is %j", (url, expected) => {
    expect(webAddress(url)).toBe(expected);
  });

  test("without an address only the label is left", () => {
    expect(link("licence", "javascript:alert(1)")).toBe("licence");
    expect(link("licence", "https://example.org/")).toBe("[licence](https://example.org/)");
  });
});

test("JSON in a comment cannot end it, and reads back the same", () => {
  const value = { text: '--><script>--!></script>"\n<!----->' };
  const text = commentJson(value);
  expect(text).not.toMatch(/--|[<>\n]/);
  expect(JSON.parse(text)).toEqual(value);
});

test("words of shell and Python stay one word on one line", () => {
  expect(shellWord("org/name@main")).toBe("org/name@main");
  expect(shellWord("-rf")).toBe("'-rf'");
  expect(shellWord("$(reboot)\n'x'")).toBe("'$(reboot) '\\''x'\\'''");
  expect(shellWord("")).toBe("''");
  expect(pythonString('a"b\nc\\')).toBe('"a\\"b c\\\\"');
});
