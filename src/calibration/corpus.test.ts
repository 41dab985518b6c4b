import { describe, expect, test } from "vitest";
import { bundledCorpus, bundledDomains } from "./corpus.ts";
import { documentsOf, sectionsOf } from "./documents.ts";

describe("the bundled corpus", async () => {
  const calibration = await bundledCorpus("calibration");
  const evaluation = await bundledCorpus("evaluation");

  test("has every domain on both sides, each with several documents", () => {
    for (const { texts } of [calibration, evaluation]) {
      expect(texts.map(({ domain }) => domain)).toEqual([...bundledDomains]);
      for (const { documents } of texts) expect(documents.length).toBeGreaterThan(5);
    }
    expect(calibration.sha256).not.toBe(evaluation.sha256);
  });

  test("shares no line of 40 characters or more between calibration and evaluation", () => {
    const lines = ({ texts }: typeof calibration) =>
      texts.flatMap(({ documents }) =>
        documents.flatMap((document) => document.split("\n").map((line) => line.trim())),
      );
    const shown = new Set(lines(calibration).filter((line) => line.length >= 40));
    expect(shown.size).toBeGreaterThan(2000);
    expect(lines(evaluation).filter((line) => shown.has(line))).toEqual([]);
  });

  test("has no replacement characters of a decoder", () => {
    for (const { texts } of [calibration, evaluation]) {
      expect(
        texts
          .flatMap(({ documents }) => documents)
          .filter((document) => document.includes("\ufffd")),
      ).toEqual([]);
    }
  });
});

describe("documents of a text", () => {
  test("are separated by empty lines with any blanks and line ends", () => {
    expect(documentsOf("\n\none\nmore\n\ntwo\r\n \t\r\n\r\nthree\n\n")).toEqual([
      "one\nmore",
      "two",
      "three",
    ]);
    expect(documentsOf(" \n\t\n")).toEqual([]);
  });

  test("are separated by form feeds if there are any; indents and empty lines inside stay", () => {
    expect(documentsOf("\f\n  def f():\n\n    pass\n\f\nlast\n")).toEqual([
      "  def f():\n\n    pass",
      "last",
    ]);
  });
});

describe("sections", () => {
  test("keep every character, end at line ends, and are at most 16,384 units long", () => {
    const line = `${"x".repeat(99)}\n`;
    const sections = sectionsOf([line.repeat(400), "short"]);
    expect(sections.join("")).toBe(line.repeat(400) + "short");
    expect(sections.map(({ length }) => length)).toEqual([16_300, 16_300, 7_400, 5]);
  });

  test("of a text without line ends never split a surrogate pair", () => {
    const text = `a${"😀".repeat(10_000)}`;
    const sections = sectionsOf([text]);
    expect(sections.length).toBe(2);
    expect(sections.every((section) => section.isWellFormed())).toBe(true);
    expect(sections.join("")).toBe(text);
  });
});
