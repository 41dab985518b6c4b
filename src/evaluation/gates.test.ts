import { describe, expect, test } from "vitest";
import { describeFailures, judge, limitsOf } from "./gates.ts";

const none = { "max-kl": {}, "min-same-top": {}, "min-router-agreement": {} };
const tier = { tier: "oQ4e", bpw: 4.7 };

describe("limits", () => {
  test("depend on the size by default: fewer bits may lose more", () => {
    const sizes = [8.5, 6.57, 5.64, 4.7, 3.2].map((bpw) => limitsOf(none, { tier: "x", bpw }));
    for (const [i, limits] of sizes.entries()) {
      if (i === 0) continue;
      expect(limits["max-kl"]).toBeGreaterThan(sizes[i - 1]!["max-kl"]);
      expect(limits["min-same-top"]).toBeLessThan(sizes[i - 1]!["min-same-top"]);
      expect(limits["min-router-agreement"]).toBeLessThan(sizes[i - 1]!["min-router-agreement"]);
    }
  });

  test("of a tier override those for all tiers, which override the defaults", () => {
    const inputs = {
      ...none,
      "max-kl": { all: 0.3, oQ4e: 0.01 },
      "min-same-top": { all: 0.9, oQ8e: 0.99 },
    };
    const defaults = limitsOf(none, tier);
    expect(limitsOf(inputs, tier)).toEqual({ ...defaults, "max-kl": 0.01, "min-same-top": 0.9 });
    expect(limitsOf({ ...none, "max-kl": { oQ8e: 0 } }, tier)).toEqual(defaults);
    expect(limitsOf({ ...none, "max-kl": { all: 0 } }, tier)["max-kl"]).toBe(0);
  });
});

describe("a gate", () => {
  const limits = { "max-kl": 0.02, "min-same-top": 0.9, "min-router-agreement": 0.95 };
  const figures = { meanKl: 0.02, sameTop: 0.9, routerAgreement: 0.95 };

  test("passes at its limit and fails beyond it, independently of the others", () => {
    expect(judge(figures, limits).map(({ passed }) => passed)).toEqual([true, true, true]);
    const beyond = { meanKl: 0.0201, sameTop: 0.899, routerAgreement: 0.949 };
    for (const [i, key] of (["meanKl", "sameTop", "routerAgreement"] as const).entries()) {
      const gates = judge({ ...figures, [key]: beyond[key] }, limits);
      expect(gates.map(({ passed }) => passed)).toEqual([0, 1, 2].map((gate) => gate !== i));
      expect(describeFailures(gates)).toHaveLength(1);
    }
  });

  test("names the figure that failed, its value and the limit", () => {
    expect(describeFailures(judge({ ...figures, meanKl: 0.5 }, limits))).toEqual([
      "mean KL is 0.5; gate max-kl requires at most 0.02",
    ]);
  });

  test("is left out for a model without routers, and without a limit", () => {
    expect(judge({ ...figures, routerAgreement: null }, limits).map(({ gate }) => gate)).toEqual([
      "max-kl",
      "min-same-top",
    ]);
    expect(judge(figures, {})).toEqual([]);
  });
});
