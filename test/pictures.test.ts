import { writeFile } from "node:fs/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { drawPictures } from "../src/card/pictures.ts";
import { pictureWidth } from "../src/chart/drawing.ts";
import { askPage, browser, type Pixels, type Scheme, screenshot } from "./support/browser.ts";
import { drawBits, drawDivergence, drawExperts, drawLanguages } from "./support/drawn.ts";
import { measuredSeries, smallSeries } from "./support/measured-receipts.ts";

/** Runs in the page. Reads place, colour and background of every text as the browser draws them. */
const look = `
const rgb = (color) => color.match(/[\\d.]+/g).slice(0, 3).map(Number);
const luminance = (color) => {
  const [r, g, b] = rgb(color).map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a, b) => {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
};
const examine = (svg) => {
  const frame = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll("text")].map((element) => {
    const { left, right, top, bottom } = element.getBoundingClientRect();
    const beneath = document.elementsFromPoint((left + right) / 2, (top + bottom) / 2)
      .find((other) => other.tagName !== "text" && other !== svg && getComputedStyle(other).fill !== "none");
    const ground = getComputedStyle(beneath).fill;
    return { text: element.textContent, left, right, top, bottom, contrast: contrast(getComputedStyle(element).fill, ground) };
  });
  const apart = (a, b) => // a line's box is taller than its letters
    a.right <= b.left + 0.5 || b.right <= a.left + 0.5 || a.bottom - 3 <= b.top + 3 || b.bottom - 3 <= a.top + 3;
  const outside = (t) =>
    t.left < frame.left + 8 || t.right > frame.right - 8 || t.top < frame.top + 4 || t.bottom > frame.bottom - 4;
  return {
    width: frame.width,
    texts: texts.length,
    clipped: texts.filter(outside).map((t) => t.text),
    overlapping: texts.flatMap((a, i) => texts.slice(i + 1).filter((b) => !apart(a, b)).map((b) => a.text + " / " + b.text)),
    pale: texts.filter((t) => !(t.contrast >= 4.5)).map((t) => t.text + " " + t.contrast.toFixed(1)),
  };
};
const result = JSON.stringify([...document.querySelectorAll("svg")].map(examine));
document.body.append(Object.assign(document.createElement("pre"), { id: "result", textContent: result }));
`;

const inCi = process.env.CI === "true";
const panel: Readonly<Record<Scheme, readonly [number, number, number]>> = {
  light: [255, 255, 255],
  dark: [13, 17, 23],
};
const drawn = Object.entries({ "30B": measuredSeries, embedded: smallSeries }).flatMap(
  ([model, series]) =>
    [series[0]!, series.at(-1)!].flatMap((receipt) =>
      drawPictures(receipt).map(({ path, svg }) => ({
        name: `${model} ${receipt.plan.tier} ${path}`,
        svg,
      })),
    ),
);

/** Data that is harder to draw than the series of a release. */
const wide = "W".repeat(60);
const estimate = (mean: number) => ({ mean, error: mean / 25 });
const point = (tier: string, gigabytes: number, kl: number, own = false) => ({
  ...{ tier, own, bytes: gigabytes * 1e9 },
  ...{
    measured: own ? estimate(kl) : null,
    rounded: own ? estimate(1.6 * kl) : null,
    predicted: kl,
  },
});
const published = [
  point("oQ8e", 33.6, 0.0007),
  point("oQ6e", 26, 0.004),
  point("oQ5e", 22.3, 0.011),
  point("oQ4e", 18.6, 0.03),
];
const layers = Array.from({ length: 60 }, (_, layer) => ({
  layer,
  share: Array<number>(512).fill(1 / 512),
  damage: Array.from({ length: 9 }, (_, domain) =>
    Array<number>(512).fill(1e-5 * (1 + layer) * (1 + domain)),
  ),
}));
const tight = {
  "a tier between two that were not made": drawDivergence(
    [...published, point("18GB", 18, 0.036, true), point("19GB", 19, 0.028)],
    32_768,
  ),
  "tiers with long names": drawDivergence(
    [point(wide, 5, 0.1, true), point(wide, 6, 0.05)],
    32_768,
  ),
  "rounding that does as well": drawDivergence(
    [{ ...point("oQ8e", 34, 0.001, true), rounded: estimate(0.00098) }],
    32_768,
  ),
  "94 layers": drawBits(
    [
      {
        role: wide,
        layers: new Map(Array.from({ length: 94 }, (_, layer) => [layer, layer % 2 ? 4 : 8])),
        outside: 6,
      },
      { role: wide.toLowerCase(), layers: new Map(), outside: 8 },
    ],
    94,
  ),
  "60 layers of 512 experts": drawExperts(
    layers,
    Array.from({ length: 9 }, (_, at) => `${at}${wide}`),
    [{ layer: 3, expert: 511 }],
    4,
  ),
  "two layers of two experts": drawExperts(
    [
      { layer: 0, share: [1, 0], damage: [[0.5, 0]] },
      { layer: 1, share: [0.5, 0.5], damage: [[0, 0]] },
    ],
    ["en"],
    [],
    4,
  ),
  "ratios far from 1": drawLanguages([
    { name: wide, ratio: 123.4567, error: 12.3456, whole: true },
    { name: "b", ratio: 1, error: null, whole: false },
  ]),
};
const pictures = [
  ...drawn,
  ...Object.entries(tight).map(([name, svg]) => ({ name, svg: svg! })),
].map((picture) => ({
  ...picture,
  height: Number(/ height="(\d+)"/.exec(picture.svg)![1]),
}));
const names = pictures.map(({ name }) => name);
const totalHeight = pictures.reduce((sum, { height }) => sum + height, 0);

interface Seen {
  readonly width: number;
  readonly texts: number;
  readonly clipped: readonly string[];
  readonly overlapping: readonly string[];
  readonly pale: readonly string[];
}
const examine = (svgs: readonly string[], scheme: Scheme, height: number) =>
  askPage<Seen[]>(
    `<style>body{margin:0}svg{display:block}</style>${svgs.join("")}<script>${look}</script>`,
    scheme,
    height,
  );

test("each tier has four pictures", () => {
  expect(drawn).toHaveLength(16);
  expect(new Set(names).size).toBe(names.length);
});

describe.skipIf(browser === null && !inCi)(
  "in a browser, at the width of a card (absent? .ci/toolchain browser)",
  () => {
    describe.each(["light", "dark"] as const)("%s", (scheme) => {
      let seen: Seen[];
      let shot: Pixels;
      beforeAll(async () => {
        seen = await examine(
          pictures.map(({ svg }) => svg),
          scheme,
          totalHeight,
        );
        // As the Hub shows them, here on a page of the opposite colour.
        const images = pictures.map(
          ({ height }, at) => `<img src="${at}.svg" width="${pictureWidth}" height="${height}">`,
        );
        const body = `<style>body{margin:0;background:${scheme === "dark" ? "#fff" : "#000"}}img{display:block}</style>`;
        const files = Object.fromEntries(pictures.map(({ svg }, at) => [`${at}.svg`, svg]));
        shot = await screenshot(body + images.join(""), files, scheme, {
          width: pictureWidth,
          height: totalHeight,
        });
        if (process.env.OQE_SCREENSHOTS)
          await writeFile(`${process.env.OQE_SCREENSHOTS}/pictures-${scheme}.png`, shot.png);
      });

      test.each(names)("%s has no label that is clipped, covered or pale", (name) => {
        const own = seen[names.indexOf(name)]!;
        expect(own.texts).toBeGreaterThan(6);
        expect(own).toMatchObject({ width: pictureWidth, clipped: [], overlapping: [], pale: [] });
      });

      test.each(names)("%s has its own background on any page", (name) => {
        const at = names.indexOf(name);
        const top = pictures.slice(0, at).reduce((sum, { height }) => sum + height, 0);
        const { height } = pictures[at]!;
        for (const x of [10, pictureWidth - 10]) {
          for (const y of [8, height - 8]) expect(shot.at(x, top + y)).toEqual(panel[scheme]);
        }
        const colors = new Set<string>();
        for (let y = 0; y < height; y += 2)
          for (let x = 0; x < pictureWidth; x += 2) colors.add(shot.at(x, top + y).join());
        expect(colors.size).toBeGreaterThan(20); // an image that failed to load has few
      });
    });

    test("the checks find labels that are clipped, covered or pale", async () => {
      const text = (x: number, y: number, content: string, fill: string) =>
        `<text x="${x}" y="${y}" fill="${fill}">${content}</text>`;
      const texts = [
        text(-5, 40, "out", "#000"),
        text(100, 40, "one", "#000"),
        text(110, 40, "two", "#000"),
        text(300, 40, "dim", "#ccc"),
      ];
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="800" height="80"><rect width="800" height="80" fill="#fff"/>${texts.join("")}</svg>`;
      const [seen] = await examine([svg], "light", 80);
      expect(seen).toMatchObject({
        clipped: ["out"],
        overlapping: ["one / two"],
        pale: ["dim 1.6"],
      });
    });
  },
);
