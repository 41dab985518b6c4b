import { describe, expect, test } from "vitest";
import { nemotron30b } from "../../test/nemotron-30b.ts";
import { expandTable } from "../models/expand.ts";
import { findArchitecture } from "../models/registry.ts";
import { elements } from "./format.ts";
import { keptTensors, planTier } from "./plan.ts";
import type { PlannedTensor } from "./plan-types.ts";
import { parseTiers, stripSuffixes, tiers } from "./tiers.ts";

const architecture = findArchitecture(nemotron30b);
const tensors: PlannedTensor[] = expandTable(architecture, nemotron30b).map((tensor) => ({
  ...tensor,
  dtype: tensor.role.role === "router.bias" ? "F32" : "BF16",
}));
const input = { architecture, config: nemotron30b, tensors, storage: "BF16" } as const;

describe("the published matrix of Nemotron-3-Nano-30B-A3B", () => {
  test("its shapes add up to 31,577,940,288 parameters", () => {
    expect(tensors.reduce((sum, tensor) => sum + elements(tensor.shape), 0)).toBe(31_577_940_288);
  });

  test.each([
    ["oQ8e", 8.5, 0, "uniform 8bit", 33_559_877_504],
    ["oQ6e", 6.57, 48, "8bitX48", 25_958_514_560],
    ["oQ5e", 5.64, 118, "8bitX48, 6bitX70", 22_286_663_552],
    ["oQ4e", 4.7, 118, "8bitX48, 6bitX48, 5bitX22", 18_563_676_032],
  ])("%s: %d bpw, %d boosts, %s, %d bytes", (name, bpw, boosts, description, bytes) => {
    const plan = planTier(tiers.find((tier) => tier.name === name)!, input);
    expect({ bpw: Number(plan.bpw.toFixed(2)), boosts: plan.boosts, plan: plan.plan, bytes: plan.bytes }).toEqual({
      bpw,
      boosts,
      plan: description,
      bytes,
    });
    const cap = tiers.find((tier) => tier.name === name)!.capBpw;
    if (cap !== null) expect(plan.bpw).toBeLessThanOrEqual(cap);
  });
});
