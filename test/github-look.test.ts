import { writeFile } from "node:fs/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { askPage, browser, screenshot } from "./support/browser.ts";
import {
  githubPage,
  type Look,
  lookScript,
  renderOnGitHub,
  type Shown,
  widths,
} from "./support/github-page.ts";
import { githubTexts } from "./support/github-texts.ts";

const inCi = process.env.CI === "true";
const { texts, pictureAt } = await githubTexts();
const names = texts.map(({ name }) => name);
const pageOf = (shown: readonly Shown[]) =>
  `${githubPage(shown, pictureAt)}<script>${lookScript}</script>`;
const examine = (shown: readonly Shown[]) => askPage<Look[]>(pageOf(shown), "light", 4000);

describe("GitHub removes markup of strangers", () => {
  test.each([
    "<script>alert(1)</script>",
    "<style>body{display:none}</style>",
    "<svg onload=alert(1)><text>x</text></svg>",
    "<img src=x onerror=alert(1)>",
    "[a](javascript:alert(1))",
    '<a href="javascript:alert(1)" style="x">a</a>',
    "<iframe src=https://example.com></iframe>",
  ])("%s", (markdown) => {
    const html = renderOnGitHub(markdown, "conversation");
    expect(html).not.toMatch(/script|<style|<svg|onerror|onload|javascript|style=|iframe/);
  });
});

describe.skipIf(browser === null && !inCi)(
  "in a browser, as wide as a comment (absent? .ci/toolchain browser)",
  () => {
    let looks: Look[];
    beforeAll(async () => {
      const shown = texts.map(({ markdown, place }) => ({
        ...{ html: renderOnGitHub(markdown, place), place },
      }));
      looks = await examine(shown);
      if (process.env.OQE_SCREENSHOTS === undefined) return;
      for (const [at, { name, place }] of texts.entries()) {
        const size = { width: widths[place] + 40, height: looks[at]!.height + 20 };
        const { png } = await screenshot(pageOf([shown[at]!]), {}, "light", size);
        const file = `github-${name.replace(/ /g, "-")}.png`;
        await writeFile(`${process.env.OQE_SCREENSHOTS}/${file}`, png);
      }
    });

    test.each(names)("%s shows no raw markup, and nothing is wider than it", (name) => {
      const at = names.indexOf(name);
      const { height, raw, ...look } = looks[at]!;
      const { tables, literal } = texts[at]!;
      expect(look).toEqual({ wide: [], lost: [], cut: [], tables });
      expect(height).toBeGreaterThan(40);
      if (literal === undefined) expect(raw).toEqual([]);
      else expect(raw.filter((text) => !text.includes(literal))).toEqual([]);
      expect(raw).toHaveLength(literal === undefined ? 0 : 1);
    });

    test("the checks find what is wrong", async () => {
      const wrong = [
        "| a | b |\n| 1 | 2 |",
        "x **bold\n\ny \\* z",
        `${"| wide ".repeat(40)}|\n${"|---".repeat(40)}|`,
        "![gone](https://127.0.0.1:9/none.png)",
        "a sentence that\nis cut",
        `\`${"x".repeat(300)}\``,
      ];
      const found = await examine(
        wrong.map((text) => ({
          ...{ html: renderOnGitHub(text, "conversation"), place: "conversation" },
        })),
      );
      expect(found.map(({ raw }) => raw.length > 0)).toEqual([
        true,
        true,
        false,
        false,
        false,
        false,
      ]);
      expect(found[2]!.wide).not.toEqual([]);
      expect(found[3]!.lost).not.toEqual([]);
      expect(found[4]!.cut).toEqual(["a sentence that"]);
    });
  },
);
