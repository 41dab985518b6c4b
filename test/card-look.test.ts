import { writeFile } from "node:fs/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { renderCard } from "../src/card/render.ts";
import type { Receipt } from "../src/receipt/receipt.ts";
import { askPage, browser, screenshot } from "./support/browser.ts";
import { cardHtml } from "./support/card-html.ts";
import { githubPage } from "./support/github-page.ts";
import { measuredSeries, smallSeries } from "./support/measured-receipts.ts";
import { oddReceipts } from "./support/odd-receipts.ts";
import { nemotronReceipt } from "./support/receipts.ts";

/** Most words that a reader sees before unfolding anything. */
const mostWords = 1200;
const inCi = process.env.CI === "true";

const cards: Readonly<Record<string, Receipt>> = {
  "30B oQ4e": measuredSeries.at(-1)!,
  "30B oQ8e": measuredSeries[0]!,
  "embedded oQ4e": smallSeries.at(-1)!,
  "rounded 30B": nemotronReceipt(),
  ...oddReceipts,
};
const names = Object.keys(cards);

/** A card without front matter, what is folded, comments and addresses. */
function unfolded(card: string): string {
  return card
    .replace(/^---\n[\s\S]*?^---\n/m, "")
    .replace(/<details>[\s\S]*?<\/details>/g, "")
    .replace(/<!--[\s\S]*?-->/g, "")
    .replace(/\]\([^)]*\)/g, "]");
}

test.each(names)("the card of %s has few words before unfolding", async (name) => {
  const words = unfolded(await renderCard(cards[name]!)).match(/[\p{L}\p{N}]\S*/gu)!;
  expect(words.length).toBeGreaterThan(150);
  expect(words.length).toBeLessThanOrEqual(mostWords);
});

/** What the browser says of one card. */
interface Look {
  readonly width: number;
  /** Whether something reaches beyond its right edge. */
  readonly scrolls: boolean;
  /** Tables that scroll; of those that are folded, in a window of a desktop. */
  readonly wide: readonly string[];
  readonly broken: readonly string[];
  readonly lost: readonly string[];
  /** Text whose contrast to what is behind it is below 4.5 (WCAG AA). */
  readonly pale: readonly string[];
  readonly tables: number;
  readonly folds: number;
}

/** Runs in the page, with everything unfolded. A figure stays on one line. */
const script = `
const rangeOf = (node, start = 0, end = node.childNodes.length) => {
  const range = document.createRange();
  range.setStart(node, start);
  range.setEnd(node, end);
  return range;
};
const linesOf = (node, ...ends) => {
  const range = rangeOf(node, ...ends);
  return new Set([...range.getClientRects()].map(({ top }) => Math.round(top / 8))).size;
};
/** Figures of "Choose a tier" that are on two lines. Beside each other they have a plain space. */
const brokenWords = (cell) => {
  const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
  const broken = [];
  while (texts.nextNode()) {
    for (const { 0: word, index } of texts.currentNode.data.matchAll(/[^ \\n-]*\\d[^ \\n-]*/g))
      if (linesOf(texts.currentNode, index, index + word.length) > 1) broken.push(word);
  }
  return broken;
};
const figure = /^[~±\\d.,%–\\u00a0 a-zA-Z]*$/;
const rgb = (color) => color.match(/[\\d.]+/g).map(Number);
const luminance = (color) => {
  const [r, g, b] = rgb(color).map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const opaque = (element) => {
  const color = getComputedStyle(element).backgroundColor;
  const [, , , alpha = 1] = rgb(color);
  return alpha > 0.99 || element.parentElement === null ? color : opaque(element.parentElement);
};
const isPale = (element) => {
  const [low, high] = [getComputedStyle(element).color, opaque(element)].map(luminance).sort((a, b) => a - b);
  return !((high + 0.05) / (low + 0.05) >= 4.5);
};
const hasText = (element) =>
  [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim() !== "");
const look = (article) => {
  const tables = [...article.querySelectorAll("table")];
  const cells = [...article.querySelectorAll("td")]
    .filter((cell) => getComputedStyle(cell).textAlign === "right" && figure.test(cell.textContent));
  const chosen = [...tables[0].querySelectorAll("td")].flatMap(brokenWords);
  return {
    width: article.offsetWidth,
    scrolls: article.scrollWidth > article.clientWidth,
    wide: tables.filter((table) => (!table.closest("details") || article.offsetWidth >= 980) && table.scrollWidth > table.clientWidth + 1)
      .map((table) => table.textContent.trim().slice(0, 60) + " " + table.scrollWidth),
    broken: [...cells.filter((cell) => linesOf(cell) > 1).map((cell) => cell.textContent), ...chosen],
    lost: [...article.querySelectorAll("img")].filter((img) => !(img.naturalWidth > 0)).map((img) => img.alt),
    pale: [...article.querySelectorAll("*")].filter((one) => hasText(one) && isPale(one)).map((one) => one.textContent),
    tables: tables.length,
    folds: article.querySelectorAll("details").length,
  };
};
for (const one of document.querySelectorAll("details")) one.open = true;
addEventListener("load", () => {
  const textContent = JSON.stringify([...document.querySelectorAll("article")].map(look));
  document.body.append(Object.assign(document.createElement("pre"), { id: "result", textContent }));
});
`;

/** Columns of a window of this width. A browser's own window may not be as narrow as a phone. */
const pageOf = (cards: readonly string[], width: number) =>
  githubPage(
    cards.map((html) => ({ html, place: "summary" as const })),
    () => null,
  ).replace(/(<article[^>]*) style="[^"]*"/g, `$1 style="box-sizing:border-box;width:${width}px"`);

/** All cards as HTML. Drawing their pictures takes longer than looking at them. */
let drawn: Promise<readonly string[]> | undefined;

describe.skipIf(browser === null && !inCi)("in a browser (absent? .ci/toolchain browser)", () => {
  describe.each([360, 740, 980])("of %i pixels", (width) => {
    describe.each(["light", "dark"] as const)("%s", (scheme) => {
      let looks: readonly Look[];
      beforeAll(async () => {
        drawn ??= Promise.all(names.map((name) => cardHtml(cards[name]!)));
        const html = await drawn;
        const opened = `${pageOf(html, width)}<script>${script}</script>`;
        looks = await askPage(opened, scheme, 900, Math.max(width, 500));
        const folder = process.env.OQE_SCREENSHOTS;
        if (folder === undefined) return;
        for (const [at, name] of names.entries()) {
          const shot = await screenshot(pageOf([html[at]!], width), {}, scheme, {
            width,
            height: 3000,
          });
          const file = `card-${name.replace(/\W+/g, "-")}-${width}-${scheme}.png`;
          await writeFile(`${folder}/${file}`, shot.png);
        }
      });

      test.each(names)("the card of %s fits, and no figure is broken", (name) => {
        const look = looks[names.indexOf(name)]!;
        expect(look).toMatchObject({ width, scrolls: false, wide: [] });
        expect(look).toMatchObject({ broken: [], lost: [], pale: [] });
        expect(look.tables).toBeGreaterThan(2);
        expect(look.folds).toBeGreaterThan(3);
      });
    });
  });
});
