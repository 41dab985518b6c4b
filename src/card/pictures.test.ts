import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { measuredSeries } from "../../test/support/measured-receipts.ts";
import { byArchitecture } from "../../test/support/models.ts";
import { parseJson } from "../checkpoint/json.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { modulePath } from "../mlx/format.ts";
import { expandTable } from "../models/expand.ts";
import { findArchitecture } from "../models/registry.ts";
import { isQuantizable } from "../plan/plan.ts";
import { domainOrder } from "./domains.ts";
import { drawPictures, namePictures } from "./pictures.ts";
import { roleWidths } from "./role-widths.ts";

const receipt = measuredSeries.at(-1)!;
const texts = (svg: string) =>
  [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text);
const picture = (path: string, of = receipt) => drawPictures(of).find((one) => one.path === path);

test.each(Object.entries(byArchitecture))(
  "every matrix of %s has a role in plain words, and its layer",
  (_, folder) => {
    const raw = parseJson(readFileSync(`${folder}/config.json`, "utf8"), folder) as ModelConfig;
    const architecture = findArchitecture(raw);
    const { config } = architecture.fold(raw);
    const quantizable = expandTable(architecture, config)
      .map((tensor) => ({ ...tensor, dtype: "BF16" }))
      .filter(isQuantizable);
    const modules = Object.fromEntries(
      quantizable.map((tensor) => [modulePath(tensor), { bits: 4, groupSize: 64 } as const]),
    );
    const { rows, layers } = roleWidths({
      plan: { ...receipt.plan, modules },
      model: { ...receipt.model, modelType: architecture.modelType, layers: [] },
    });
    expect(rows.map(({ role }) => role).filter((role) => /[._]/.test(role))).toEqual([]);
    expect(layers).toBe(architecture.layers(config).length);
    const cells = rows.flatMap((row) => [
      ...row.layers,
      ...(row.outside === null ? [] : [row.outside]),
    ]);
    expect(cells).toHaveLength(quantizable.length); // no two modules in one cell
  },
);

test("the picture of the series has each tier of the receipt", () => {
  const whole = texts(picture("oqe-kl.svg")!.svg);
  for (const label of [
    "oQ8e · 0.000600",
    "oQ6e · 0.00290",
    "oQ5e · 0.00690",
    "oQ4e · 0.0144",
    "0.0288",
  ])
    expect(whole).toContain(label);
  const alone = texts(picture("oqe-kl.svg", { ...receipt, otherTiers: [] })!.svg);
  expect(alone).toContain("predicted, not measured");
  expect(alone).not.toContain("oQ8e · 0.000600");
  expect(alone.filter((text) => /^oQ\de · /.test(text!))).toHaveLength(4);
});

test("only experts that the card names are marked", () => {
  const marks = picture("oqe-experts.svg")!.svg.match(
    /<path [^>]*fill="#b34700" stroke="#ffffff"[^>]*>/g,
  )!;
  const named = receipt.sensitivity!.domains.flatMap((domain) =>
    receipt.sensitivity!.critical.filter((expert) => expert.domain === domain).slice(0, 4),
  );
  expect(marks).toHaveLength(named.length);
});

test("names of the bundled domains are not cut", () => {
  const drawn = texts(picture("oqe-experts.svg")!.svg);
  expect(drawn).toEqual(expect.arrayContaining(["Japanese", "mathematics", "reasoning"]));
  expect(drawn.filter((text) => text!.endsWith("…"))).toEqual([]);
});

test("languages come first, by name", () => {
  const domains = ["code", "ja", "zz", "de", "math", "en"];
  expect(domainOrder(domains).map((at) => domains[at])).toEqual([
    "en",
    "de",
    "ja",
    "code",
    "math",
    "zz",
  ]);
});

describe("a receipt that was tampered with", () => {
  test("may be of any size", () => {
    const { sensitivity, evaluation, series, plan } = receipt;
    const layers = Array.from({ length: 1024 }, (_, layer) => ({
      layer,
      share: [1, 0],
      damage: Array.from({ length: 64 }, () => [1, 2]),
    }));
    const huge = {
      ...receipt,
      series: Array.from({ length: 200_000 }, () => series[0]!),
      sensitivity: {
        ...sensitivity!,
        domains: Array.from({ length: 64 }, (_, at) => `d${at}`),
        experts: layers,
      },
      evaluation: {
        ...evaluation!,
        byDomain: Array.from({ length: 256 }, () => evaluation!.byDomain[0]!),
      },
      plan: {
        ...plan,
        modules: Object.fromEntries(
          Array.from({ length: 150_000 }, (_, at) => [
            `x.layers.${at % 9999}.m${at}`,
            { bits: 4, groupSize: 64 } as const,
          ]),
        ),
      },
    };
    const drawn = drawPictures(huge);
    expect(drawn.map(({ path }) => path)).toEqual([
      "oqe-kl.svg",
      "oqe-experts.svg",
      "oqe-languages.svg",
    ]);
    for (const { svg } of drawn) expect(svg.length).toBeLessThan(1e6);
  });
});

const names = (pictures: ReturnType<typeof namePictures>) =>
  pictures.map(({ path, alt }) => ({ path, alt }));

test.each([
  ["measured", receipt],
  ["not evaluated", { ...receipt, evaluation: null }],
  ["rounded", { ...receipt, evaluation: null, sensitivity: null }],
])("the pictures of a tier have the same names before they are drawn: %s", (_, of) => {
  expect(names(namePictures(of))).toEqual(names(drawPictures(of)));
  expect(namePictures(of).length).toBeGreaterThan(0);
});

test("a picture that cannot be drawn is a placeholder, and the others are drawn", () => {
  const broken = Object.defineProperty({ ...receipt }, "evaluation", {
    get: () => {
      throw new Error("no figures");
    },
  });
  const drawn = drawPictures(broken);
  expect(drawn.map(({ path, failure }) => [path, failure])).toEqual([
    ["oqe-kl.svg", "oqe-kl.svg: no figures"],
    ["oqe-bits.svg", null],
    ["oqe-experts.svg", null],
    ["oqe-languages.svg", "oqe-languages.svg: no figures"],
  ]);
  expect(names(namePictures(broken))).toEqual(names(drawn));
  expect(texts(drawn[0]!.svg)).toEqual(["oqe-kl.svg could not be drawn"]);
  expect(drawn[0]!.svg).toMatch(/^<svg xmlns=[^>]+>[\s\S]*<\/svg>\n$/);
});
