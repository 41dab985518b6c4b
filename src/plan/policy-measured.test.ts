import { describe, expect, test } from "vitest";
import { nemotron30b } from "../../test/support/nemotron-30b.ts";
import { bpwOf, makeSensitivity } from "../../test/support/sensitivities.ts";
import { expandTable } from "../models/expand.ts";
import { findArchitecture } from "../models/registry.ts";
import { costlyFloors, defaultFloors, parseFloors } from "./floors.ts";
import { type CostedOption, findLeastLoss, flipLoss } from "./least-loss.ts";
import { type PlanInput, planTier } from "./plan.ts";
import { flipFactor } from "./policy-measured.ts";
import type { Sensitivity } from "./sensitivity-types.ts";
import { type Tier, tiers } from "./tiers.ts";

const architecture = findArchitecture(nemotron30b);
const tensors = expandTable(architecture, nemotron30b).map((tensor) => ({
  ...tensor,
  dtype: "BF16",
}));
const input: PlanInput = { architecture, config: nemotron30b, tensors, storage: "BF16" };
const sensitivity = makeSensitivity(tensors);
const floors = parseFloors(defaultFloors);
const plan = (tier: Tier, changes: Partial<Sensitivity> = {}, least = floors) =>
  planTier(tier, input, { sensitivity: { ...sensitivity, ...changes }, floors: least });
const oQ4e = tiers.find((tier) => tier.name === "oQ4e")!;

describe.each(tiers.map((tier) => [tier.name, tier] as const))("%s of the 30B model", (_, tier) => {
  const made = plan(tier);

  test("uses its budget, and no more bytes than the published tier or the rules", () => {
    expect(made.bpw).toBeLessThanOrEqual(tier.budgetBpw);
    expect(made.bytes).toBeLessThanOrEqual(planTier(tier, input).bytes);
    expect(made.bpw).toBeGreaterThan(tier.budgetBpw - 0.01);
    expect(made.bpw).toBeCloseTo(bpwOf(tensors, made.modules), 9);
  });

  test("has no width below a floor", () => {
    const least = (pattern: RegExp) =>
      Math.min(
        ...Object.entries(made.modules)
          .filter(([module]) => pattern.test(module))
          .map(([, width]) => width.bits),
      );
    expect(least(/\.mixer\.[qkvo]_proj$/)).toBeGreaterThanOrEqual(6);
    expect(least(/layers\.0\.mixer\.(in|out)_proj$/)).toBe(8);
    expect(made.floors).toEqual({ attention: 6, "first-mamba": 8 });
  });

  test("predicts the sum of its costs, at most that of the plan by rules", () => {
    const cost = ({ modules }: { modules: typeof made.modules }) => {
      const costed = sensitivity.tensors.map(
        ({ module, widths }) => widths.find(({ bits }) => bits === modules[module]!.bits)!,
      );
      const forced = costed.reduce((sum, { forcedKl }) => sum + forcedKl, 0);
      const flips = costed.reduce((sum, { flipPower }) => sum + flipPower, 0);
      return { forced, kl: forced + flipLoss(flipFactor(sensitivity), flips) };
    };
    expect(made.predicted!.forcedKl).toBeCloseTo(cost(made).forced, 12);
    expect(made.predicted!.kl).toBeCloseTo(cost(made).kl, 12);
    const byRules = planTier(tier, input);
    expect(byRules.predicted).toBe(null);
    expect(made.predicted!.kl).toBeLessThanOrEqual(cost(byRules).kl * (1 + 1e-9));
  });

  test("is the same plan each time", () => {
    expect(plan(tier)).toEqual(made);
  });
});

describe("floors", () => {
  test("by default are lowered to fit a tier's budget; floors that a user gave are not", () => {
    const tight: Tier = { ...oQ4e, budgetBpw: 3.51 };
    const held = plan(tight).floors!;
    expect(held).toEqual({ attention: held.attention, "first-mamba": held.attention });
    expect(held.attention).toBeLessThan(6);
    expect(plan(tight).bpw).toBeLessThanOrEqual(3.51);
    expect(() => plan(tight, {}, parseFloors("attention=6"))).toThrow(/smallest possible plan/);
  });
  test("can be switched off, and the plan then costs less", () => {
    const free = plan(oQ4e, {}, parseFloors("none"));
    expect(free.floors).toEqual({});
    expect(free.predicted!.kl).toBeLessThan(plan(oQ4e).predicted!.kl);
  });

  test("have their share of the predicted KL in the plan", () => {
    const both = plan(oQ4e, {}, parseFloors("experts=4,mamba=8"));
    const without = { experts: "mamba=8", mamba: "experts=4" };
    const shares = Object.entries(without).map(([name, others]) => {
      const { kl } = plan(oQ4e, {}, parseFloors(others)).predicted!;
      return [name, expect.closeTo(1 - kl / both.predicted!.kl, 12)];
    });
    expect(both.floorCosts).toEqual(Object.fromEntries(shares));
    expect(both.floorCosts!.experts).toBeGreaterThan(0.01);
    expect(costlyFloors({ floorCosts: { mamba: 0.1, experts: 0.101 } })).toEqual([
      ["experts", 0.101],
    ]);
    expect(planTier(oQ4e, input).floorCosts).toBe(null);
  });

  test("that apply to no tensor of the model are not in the plan", () => {
    expect(plan(oQ4e, {}, parseFloors("mlp=8, head=6")).floors).toEqual({ head: 6 });
  });

  test("above the budget are an error that gives the smallest possible size", () => {
    expect(() => plan(oQ4e, {}, parseFloors("experts=5"))).toThrow(
      expect.objectContaining({
        code: "BAD_INPUT",
        message: expect.stringMatching(
          /^oQ4e may take 18,546,832,281 bytes .* takes 21,155,172,864, 5\.36 bits per weight \(from 3 bits, floors experts=5\), .* 21,172,900,992 bytes$/,
        ),
      }),
    );
  });

  test.each([
    "attention",
    "attention=7",
    "atention=6",
    "head=6,head=8",
    "head=",
    "=6",
    "head=6=6",
    "__proto__=6",
  ])("%j is refused", (text) => {
    expect(() => parseFloors(text)).toThrow(expect.objectContaining({ code: "BAD_INPUT" }));
  });
});

describe("a sensitivity is refused that contains", () => {
  const change = (of: (cost: Sensitivity["tensors"][number]["widths"][number]) => object) => ({
    tensors: sensitivity.tensors.map((tensor) => ({
      ...tensor,
      widths: tensor.widths.map((width) => ({ ...width, ...of(width) })),
    })),
  });
  test.each<[string, Partial<Sensitivity>, RegExp]>([
    ["all zeros", change(() => ({ forcedKl: 0, flipPower: 0 })), /all zeros/],
    ["the same cost for every tensor", change(({ bits }) => ({ forcedKl: 4 ** -bits })), /flat/],
    [
      "the same cost for every weight",
      change(({ bits, bytes }) => ({ forcedKl: (bytes / 1e12) * 4 ** -bits })),
      /flat/,
    ],
    [
      "a cost that is not a number",
      change(() => ({ forcedKl: Number.NaN })),
      /contains a cost of NaN/,
    ],
    [
      "an infinite flipPower",
      change(() => ({ flipPower: Number.POSITIVE_INFINITY })),
      /contains a cost of Infinity/,
    ],
    ["a negative cost", change(() => ({ forcedKl: -1 })), /contains a cost of -1/],
    ["no tensor", { tensors: [] }, /all zeros/],
    [
      "one tensor less than the model",
      { tensors: sensitivity.tensors.slice(1) },
      /no costs for backbone\.embeddings$/,
    ],
    [
      "one width less per tensor",
      {
        tensors: sensitivity.tensors.map((tensor) => ({
          ...tensor,
          widths: tensor.widths.slice(1),
        })),
      },
      /no costs for backbone\.embeddings at each of 3, 4, 5, 6, 8 bits/,
    ],
  ])("%s", (_, changes, says) => {
    expect(() => plan(oQ4e, changes)).toThrow(
      expect.objectContaining({ code: "BAD_SENSITIVITY", message: expect.stringMatching(says) }),
    );
  });
});

describe("findLeastLoss", () => {
  /** The least loss of all choices within the budget. */
  function bruteForce(
    items: readonly (readonly CostedOption[])[],
    budget: number,
    cost: number,
  ): number {
    let sums = [{ bytes: 0, forcedKl: 0, flipPower: 0 }];
    for (const options of items) {
      sums = sums.flatMap((sum) =>
        options.map((one) => ({
          bytes: sum.bytes + one.bytes,
          forcedKl: sum.forcedKl + one.forcedKl,
          flipPower: sum.flipPower + one.flipPower,
        })),
      );
    }
    const fits = sums.filter(({ bytes }) => bytes <= budget);
    return Math.min(...fits.map(({ forcedKl, flipPower }) => forcedKl + flipLoss(cost, flipPower)));
  }

  test("finds the least loss of all choices, for any cost of flips", () => {
    let state = 1;
    const random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    for (let round = 0; round < 300; round++) {
      const items = Array.from({ length: 6 }, () => {
        const [size, forcedKl, flipPower] = [
          1 + Math.floor(9 * random()),
          random() ** 3,
          random() ** 3,
        ];
        return [3, 4, 5, 6, 8].map((bits) => ({
          bytes: size * bits,
          forcedKl: forcedKl * 4 ** -bits * (0.5 + random()),
          flipPower: flipPower * 4 ** -bits * (0.5 + random()),
        }));
      });
      const most = items.reduce((sum, options) => sum + options[4]!.bytes, 0);
      const budget = Math.floor(most * (0.4 + 0.5 * random()));
      const cost = [0, 0.01, 0.1, 1, 10][round % 5]!;
      const expected = bruteForce(items, budget, cost);
      const found = findLeastLoss(items, budget, cost);
      if (!Number.isFinite(expected)) expect(found).toBe(null);
      else
        expect(Math.abs(found!.total - expected), `round ${round}`).toBeLessThanOrEqual(
          2e-9 * expected,
        );
    }
  });
});
