import { describe, expect, test } from "vitest";
import { drawBits, drawDivergence, drawExperts, drawLanguages } from "../../test/support/drawn.ts";
import type { TierPoint } from "./divergence-picture.ts";
import { labelText, widthOf } from "./labels.ts";

const point = (
  tier: string,
  bytes: number,
  mean: number,
  changes: Partial<TierPoint> = {},
): TierPoint => ({
  ...{ tier, bytes, own: tier === "oQ4e" },
  measured: { mean, error: mean / 20 },
  rounded: { mean: 2 * mean, error: mean / 20 },
  predicted: null,
  ...changes,
});
const points = [point("oQ8e", 34e9, 0.0006), point("oQ4e", 19e9, 0.014)];
const roles = [
  { role: "experts up", layers: new Map([[1, 4]]), outside: null },
  { role: "output head", layers: new Map<number, number>(), outside: 8 },
];
const layers = [{ layer: 1, share: [0.75, 0.25], damage: [[0.01, 0.002]] }];
const domain = { name: "German", ratio: 1.01, error: 0.002, whole: false };

const drawn = {
  divergence: () => drawDivergence(points, 4096)!,
  bits: () => drawBits(roles, 3)!,
  experts: () => drawExperts(layers, ["de"], [{ layer: 1, expert: 0 }], 4)!,
  languages: () => drawLanguages([domain])!,
};
const texts = (svg: string) =>
  [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text);

describe.each(Object.entries(drawn))("the picture of %s", (_, draw) => {
  const svg = draw();

  test("is the same text after any other pictures", () => {
    for (const other of Object.values(drawn)) other();
    expect(draw()).toBe(svg);
  });

  test("is plain: no script, reference, id, class or font of its own", () => {
    expect(svg).not.toMatch(
      /<script|<image|<foreignObject|href|url\(|@import|@font-face|\s(?:id|class|on\w+)=|zr\d|ecmeta/i,
    );
    expect(svg).toMatch(
      /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" width="440" height="\d+" viewBox="0 0 440 \d+" role="img">\n<title>/,
    );
    expect(new Set([...svg.matchAll(/font-family:([^;"]+)/g)].map(([, family]) => family))).toEqual(
      new Set(["sans-serif"]),
    );
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  });

  test("has a dark twin of every colour", () => {
    const used = new Set(
      [...svg.matchAll(/ (?:fill|stroke)="(#[0-9a-f]+)"/g)].map(([, color]) => color),
    );
    const style = /<style>(.*?)<\/style>/.exec(svg)![1]!;
    for (const color of used) expect(style).toContain(`="${color}"]{`);
    expect(
      [...svg.matchAll(/ (?:fill|stroke)="([^"#]+)"/g)]
        .map(([, color]) => color)
        .filter((color) => color !== "none"),
    ).toEqual([]);
  });
});

describe("KL against size", () => {
  test("labels every tier and every point of rounding", () => {
    expect(texts(drawn.divergence())).toEqual(
      expect.arrayContaining([
        "oQ8e · 0.000600",
        "oQ4e · 0.0140",
        "0.00120",
        "0.0280",
        "this tier",
        "Size in GB",
      ]),
    );
  });

  test("shows what is predicted where nothing was measured, and says so", () => {
    const predicted = point("oQ6e", 26e9, 0, { measured: null, rounded: null, predicted: 0.003 });
    const found = texts(drawDivergence([...points, predicted], 4096)!);
    expect(found).toEqual(expect.arrayContaining(["oQ6e · 0.00300", "predicted, not measured"]));
    expect(texts(drawn.divergence())).not.toContain("predicted, not measured");
  });

  test.each([
    ["alone", [point("oQ4e", 5e6, 0.1)]],
    ["far apart", [point("a", 1e6, 1e-9), point("b", 9e12, 3)]],
    ["of one size", [point("a", 5e6, 0.1), point("b", 5e6, 0.2)]],
    ["without errors", [point("a", 5e6, 0.1, { measured: { mean: 0.1, error: null } })]],
    [
      "with an error that reaches below the scale",
      [point("a", 5e6, 0.1, { measured: { mean: 0.1, error: 0.2 } })],
    ],
  ])("has a place for points %s", (_, odd) => {
    expect(drawDivergence(odd, 1)).not.toMatch(/NaN|Infinity|undefined/);
  });

  test("is absent if every point is 0", () => {
    expect(drawDivergence([point("oQ8e", 1e9, 0)], 4096)).toBeNull();
    expect(drawDivergence([], 4096)).toBeNull();
  });
});

describe("experts", () => {
  test("names the most damaging expert", () => {
    expect(texts(drawn.experts())).toContain("0");
  });

  test("are none in a dense model", () => {
    expect(drawExperts([], ["de"], [], 4)).toBeNull();
    expect(drawExperts(layers, [], [], 4)).toBeNull();
  });

  test("without damage or load are drawn too", () => {
    const idle = [{ layer: 1, share: [1, 0], damage: [[0, 0]] }];
    expect(drawExperts(idle, ["de"], [{ layer: 7, expert: 0 }], 4)).not.toMatch(/NaN|Infinity/);
  });
});

test("pictures are absent without quantized modules or domains", () => {
  expect(drawBits([], 3)).toBeNull();
  expect(drawLanguages([])).toBeNull();
  expect(drawLanguages([{ ...domain, ratio: 1, error: null }])).not.toMatch(/NaN|Infinity/);
});

describe("words of others", () => {
  const evil = '</text><script>alert(1)</script> & "x" {a|b} {@c} %d\n\u202e\u0007';

  test("are text and nothing else", () => {
    const made = [
      drawDivergence([point(evil, 5e6, 0.1)], 1)!,
      drawBits([{ role: evil, layers: new Map([[0, 4]]), outside: null }], 1)!,
      drawExperts(layers, [evil], [], 4)!,
      drawLanguages([{ ...domain, name: evil }])!,
    ];
    for (const svg of made) {
      expect(svg).not.toContain("<script");
      expect(svg).toContain("&lt;/text");
      for (const control of ["\u202e", "\u0007"]) expect(svg).not.toContain(control);
    }
  });

  test("are one short line", () => {
    expect(labelText("a\n b\t\u0000c")).toBe("a b c");
    expect(labelText("Mamba-2 out", 124)).toBe("Mamba-2 out");
    for (const text of ["x".repeat(500), "W".repeat(500), "字".repeat(500), "😀".repeat(500)]) {
      expect(widthOf(labelText(text, 100))).toBeLessThanOrEqual(100);
      expect(labelText(text, 100)).toMatch(/^(?:x{5,}|W{5,}|字{5,}|(?:😀){5,})…$/u);
    }
  });
});
