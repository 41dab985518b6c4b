import { describe, expect, test } from "vitest";
import { measuredSeries } from "../../test/support/measured-receipts.ts";
import { evaluatedReceipt } from "../../test/support/receipts.ts";
import { parseReceipt, writeReceipt } from "./receipt-file.ts";
import { shareFigures } from "./series-figures.ts";

const receipt = measuredSeries.at(-1)!;
const sensitivity = receipt.sensitivity!;

function changed(path: string, value: unknown): string {
  const root = JSON.parse(writeReceipt(receipt));
  const names = path.split("/");
  const holder = names.slice(0, -1).reduce((object, name) => object[name], root);
  holder[names.at(-1)!] = value;
  return JSON.stringify(root);
}

describe("the receipt of a measured plan", () => {
  test("has three digits, and shares that still sum to 1", () => {
    for (const { share, damage } of sensitivity.experts) {
      expect(share.reduce((sum, part) => sum + part, 0)).toBeCloseTo(1, 2);
      for (const value of [...share, ...damage.flat()])
        expect(Number(value.toPrecision(3))).toBe(value);
    }
    expect(Object.keys(sensitivity.costs).sort()).toEqual(Object.keys(receipt.plan.modules).sort());
  });

  test("writes a list of numbers on one line", () => {
    const text = writeReceipt(receipt);
    expect(text).toMatch(/\n {8}"share": \[[\d.e-]+(?:, [\d.e-]+){127}\],\n/);
    expect(text.length).toBeLessThan(600_000);
  });

  test.each([
    ["sensitivity", [], "sensitivity"],
    ["sensitivity/proxy", "/home/me/model", "sensitivity.proxy"],
    ["sensitivity/proxy", "../x/y", "sensitivity.proxy"],
    ["sensitivity/proxy", "a/b<script>", "sensitivity.proxy"],
    ["sensitivity/calibration/sha256", "x", "sensitivity.calibration.sha256"],
    ["sensitivity/domains", ["a", "a"], "sensitivity.domains"],
    ["sensitivity/domains", Array(65).fill("a"), "sensitivity.domains"],
    ["sensitivity/domains/0", "<b>", "sensitivity.domains[0]"],
    ["sensitivity/domainWeights", [1], "sensitivity.domainWeights"],
    ["sensitivity/depthGain/0/gain", -1, "sensitivity.depthGain[0].gain"],
    ["sensitivity/together/freeKl", null, "sensitivity.together.freeKl"],
    ["sensitivity/check/0/module", "elsewhere", "sensitivity.check[0].module"],
    ["sensitivity/costs/elsewhere", { forcedKl: 1, flipPower: 1 }, "sensitivity.costs.elsewhere"],
    [
      "sensitivity/costs/lm_head",
      { forcedKl: "1", flipPower: 1 },
      "sensitivity.costs.lm_head.forcedKl",
    ],
    ["sensitivity/experts", [], "sensitivity.critical[0].layer"],
    ["sensitivity/experts/1/layer", 1, "sensitivity.experts"],
    ["sensitivity/experts/0/share/3", 2, "sensitivity.experts[0].share[3]"],
    ["sensitivity/experts/0/damage/0", [0.1], "sensitivity.experts[0].damage[0]"],
    ["sensitivity/experts/0/damage", [], "sensitivity.experts[0].damage"],
    ["sensitivity/critical/0/layer", 0, "sensitivity.critical[0].layer"],
    ["sensitivity/critical/0/expert", 128, "sensitivity.critical[0].expert"],
    ["sensitivity/critical/0/domain", "toString", "sensitivity.critical[0].domain"],
    ["otherTiers", {}, "otherTiers"],
    ["otherTiers/0/tier", "oQ4e", "otherTiers[0].tier"],
    ["otherTiers/1/tier", "oQ8e", "otherTiers"],
    ["otherTiers/0/sameTop", 2, "otherTiers[0].sameTop"],
    ["otherTiers/0/rounded", 3, "otherTiers[0].rounded"],
  ])("is refused with %s = %j", (path, value, field) => {
    const parse = () => parseReceipt(changed(path, value), "oqe-receipt.json");
    expect(parse).toThrow(`oqe-receipt.json: field "${field}" is `);
  });
});

describe("figures of a run's tiers", () => {
  test("are on every receipt but their own, in the order of the series", () => {
    const [first, last] = shareFigures([
      evaluatedReceipt("oQ4e"),
      evaluatedReceipt("oQ8e"),
      evaluatedReceipt("oQ6e"),
    ]);
    expect(first!.otherTiers.map(({ tier }) => tier)).toEqual(["oQ8e", "oQ6e"]);
    expect(last!.otherTiers.map(({ tier }) => tier)).toEqual(["oQ6e", "oQ4e"]);
    expect(last!.otherTiers[1]).toMatchObject({ meanKl: 0.0144, rounded: { meanKl: 0.0288 } });
  });

  test("are missing for tiers without an evaluation, and for a tier that is made alone", () => {
    expect(
      shareFigures([evaluatedReceipt("oQ8e", { evaluation: null }), evaluatedReceipt("oQ4e")])[1]!
        .otherTiers,
    ).toEqual([]);
    expect(shareFigures([evaluatedReceipt("oQ8e")])[0]!.otherTiers).toEqual([]);
  });
});
