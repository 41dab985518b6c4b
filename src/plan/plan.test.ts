import { describe, expect, test } from "vitest";
import { nemotron30b } from "../../test/support/nemotron-30b.ts";
import { elements } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { expandTable } from "../models/expand.ts";
import { findArchitecture } from "../models/registry.ts";
import { planTier, unquantizedTensors } from "./plan.ts";
import { parseTiers, stripSuffixes, tiers } from "./tiers.ts";

const architecture = findArchitecture(nemotron30b);
const tensors: PlannedTensor[] = expandTable(architecture, nemotron30b).map((tensor) => ({
  ...tensor,
  dtype: tensor.role.kind === "correction" ? "F32" : "BF16",
}));
const input = { architecture, config: nemotron30b, tensors, storage: "BF16" } as const;

describe("the published series of Nemotron-3-Nano-30B-A3B", () => {
  test("has shapes of 31,577,940,288 parameters", () => {
    expect(tensors.reduce((sum, tensor) => sum + elements(tensor.shape), 0)).toBe(31_577_940_288);
  });

  test.each([
    ["oQ8e", { bpw: 8.5, boosts: 0, plan: "uniform 8bit", bytes: 33_559_877_504 }],
    ["oQ6e", { bpw: 6.57, boosts: 48, plan: "8bitX48", bytes: 25_958_514_560 }],
    ["oQ5e", { bpw: 5.64, boosts: 118, plan: "8bitX48, 6bitX70", bytes: 22_286_663_552 }],
    ["oQ4e", { bpw: 4.7, boosts: 118, plan: "8bitX48, 6bitX48, 5bitX22", bytes: 18_563_676_032 }],
  ])("%s is %o", (name, expected) => {
    const tier = tiers.find((one) => one.name === name)!;
    const { bpw, boosts, plan, bytes } = planTier(tier, input);
    expect({ bpw: Number(bpw.toFixed(2)), boosts, plan, bytes }).toEqual(expected);
    if (tier.capBpw !== null) expect(bpw).toBeLessThanOrEqual(tier.capBpw);
  });
});

describe("the unquantized tensors", () => {
  test("are routers, recurrences, convolutions and norms, each with a reason", () => {
    const unquantized = unquantizedTensors(tensors);
    const leaf = (name: string) => name.replace(/^backbone\.(layers\.\d+\.)?/, "");
    expect([...new Set(Object.keys(unquantized).map(leaf))].sort()).toEqual([
      "mixer.A_log",
      "mixer.D",
      "mixer.conv1d.bias",
      "mixer.conv1d.weight",
      "mixer.dt_bias",
      "mixer.gate.e_score_correction_bias",
      "mixer.gate.weight",
      "mixer.norm.weight",
      "norm.weight",
      "norm_f.weight",
    ]);
    expect(Object.values(unquantized).every((reason) => reason.length > 10)).toBe(true);
    const quantized = new Set(tiers.flatMap((tier) => Object.keys(planTier(tier, input).modules)));
    expect(
      Object.keys(unquantized).filter((name) => quantized.has(name.replace(/\.weight$/, ""))),
    ).toEqual([]);
  });
});

describe("tier names", () => {
  test("are read in any case and order, and each is returned once", () => {
    expect(parseTiers(" oq4e,OQ8E\noQ4e ").map((tier) => tier.name)).toEqual(["oQ8e", "oQ4e"]);
  });
  test.each(["oQ7e", "oQ4e,q5", "", " , "])("refuses %j", (text) => {
    expect(() => parseTiers(text)).toThrow(expect.objectContaining({ code: "BAD_INPUT" }));
  });
  test.each([
    ["NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "NVIDIA-Nemotron-3-Nano-30B-A3B"],
    ["Qwen3-8B-oQ4e", "Qwen3-8B"],
    ["Model-8bit-mtp", "Model"],
    ["nemotron-nano-tiny", "nemotron-nano-tiny"],
  ])("%s is published as %s", (name, stripped) => {
    expect(stripSuffixes(name)).toBe(stripped);
  });
});

describe("rules with scores of layers", () => {
  test("give a layer far above the others eight bits, within the cap", () => {
    const scores = Array<number>(52).fill(0.01);
    scores[0] = 1;
    const plan = planTier(tiers[3]!, { ...input, scores });
    expect(plan.modules["backbone.layers.0.mixer.in_proj"]).toEqual({ bits: 8, groupSize: 64 });
    expect(plan.bpw).toBeLessThanOrEqual(4.7);
  });
});
