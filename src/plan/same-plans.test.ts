import { expect, test } from "vitest";
import { mxfp4Width } from "../kernel/width.ts";
import type { TierPlan } from "./plan-types.ts";
import { warningsOfSame } from "./same-plans.ts";

const plan = (tier: string, bits: number) =>
  ({
    tier,
    modules: { head: { bits, groupSize: 64 }, experts: mxfp4Width },
  }) as unknown as TierPlan;

test("tiers of different widths are not warned of", () => {
  expect(warningsOfSame([plan("oQ8e", 8), plan("oQ6e", 6)])).toEqual([]);
});

test("the same widths under two names are, with the inputs that make each plan once", () => {
  const plans = [plan("oQ8e", 8), plan("oQ6e", 6), plan("oQ5e", 6), plan("oQ4e", 4)];
  expect(warningsOfSame(plans)).toEqual([
    "oQ6e and oQ5e have the same widths everywhere: publish one of them, as " +
      "--tiers oQ8e,oQ6e,oQ4e does",
  ]);
});

test("targets are named by their own inputs", () => {
  const custom = [plan("oQ9.5e", 8), plan("oQ12.0e", 8), plan("oQ18GBe", 5)];
  expect(warningsOfSame([plan("oQ8e", 8), ...custom])).toEqual([
    "oQ8e, oQ9.5e and oQ12.0e have the same widths everywhere: publish one of them, as " +
      "--tiers oQ8e --target-size 18GB does",
  ]);
});
