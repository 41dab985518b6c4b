import { describe, expect, test } from "vitest";
import { nemotron30b } from "../../test/support/nemotron-30b.ts";
import { makeSensitivity } from "../../test/support/sensitivities.ts";
import { checkRepositoryName } from "../hub/names.ts";
import { expandTable } from "../models/expand.ts";
import { findArchitecture } from "../models/registry.ts";
import { defaultFloors, parseFloors } from "./floors.ts";
import { type PlanInput, planTier, requireBudget } from "./plan.ts";
import { parseTargets, tierFlag } from "./targets.ts";
import { stripSuffixes, tiers } from "./tiers.ts";

const architecture = findArchitecture(nemotron30b);
const tensors = expandTable(architecture, nemotron30b).map((tensor) => ({
  ...tensor,
  dtype: "BF16",
}));
const input: PlanInput = { architecture, config: nemotron30b, tensors, storage: "BF16" };
const costs = { sensitivity: makeSensitivity(tensors), floors: parseFloors(defaultFloors) };
const refused = (message: RegExp) =>
  expect.objectContaining({ code: "BAD_INPUT", message: expect.stringMatching(message) });

describe("targets", () => {
  test.each([
    ["4.25", "", "oQ4.25e"],
    ["4", "", "oQ4.0e"],
    ["4.50", "", "oQ4.5e"],
    ["", "18GB", "oQ18GBe"],
    ["", "17.5 gib", "oQ17.5GiBe"],
    ["", "900MB", "oQ900MBe"],
  ])(
    "bpw %j, size %j is named %s, which the Hub accepts and stripSuffixes removes",
    (bpw, size, name) => {
      expect(parseTargets(bpw, size).map((target) => target.name)).toEqual([name]);
      checkRepositoryName("org", `Model-${name}`);
      expect(stripSuffixes(`Model-${name}`)).toBe("Model");
      expect(tiers.map((tier) => tier.name)).not.toContain(name);
      const flag = tierFlag(name);
      expect(
        parseTargets(flag["target-bpw"] ?? "", flag["target-size"] ?? "").map(
          (target) => target.name,
        ),
      ).toEqual([name]);
    },
  );

  test("are one per word, and none for empty text", () => {
    expect(parseTargets("", "")).toEqual([]);
    expect(parseTargets("4.25, 3.6", "18GB 1 GiB").map((target) => target.name)).toEqual([
      "oQ4.25e",
      "oQ3.6e",
      "oQ18GBe",
      "oQ1GiBe",
    ]);
  });

  test.each(["0", "-4", "17", "4.2545", "1e1", "four", "4,25,25"])("bpw %j is refused", (text) => {
    expect(() => parseTargets(text, "")).toThrow(refused(/^target-bpw: "|more than once/));
  });

  test.each(["18", "0GB", "18TB", "GB", "1e3GB", "18.1234GB", "-1GB", "18GB,18gb"])(
    "size %j is refused",
    (text) => {
      expect(() => parseTargets("", text)).toThrow(refused(/^target-size: "|more than once/));
    },
  );
});

describe.each(["measured", "oq"] as const)("policy %s under a target", (policy) => {
  const plan = (bpw: string, size: string) =>
    planTier(parseTargets(bpw, size)[0]!, input, policy === "measured" ? costs : null);

  test("in bits per weight is not exceeded", () => {
    const made = plan("4.25", "");
    expect(made.bpw).toBeLessThanOrEqual(4.25);
    expect(made.bpw).toBeGreaterThan(policy === "measured" ? 4.24 : 3.5);
    // Uniform 3 bits take 3.5 bpw and 4 bits 4.5. So the base width is 3, and more is a boost.
    expect(made.boosts).toBe(Object.values(made.modules).filter(({ bits }) => bits > 3).length);
  });

  test("in bytes is not exceeded by all tensor data", () => {
    const made = plan("", "18GB");
    expect(made.bytes).toBeLessThanOrEqual(18e9);
    expect(made.bytes).toBeGreaterThan(17.9e9);
    expect(made.targetBpw).toBeGreaterThan(made.bpw - 1e-12);
  });

  test("that is too small is an error that gives the smallest possible size", () => {
    expect(() => plan("2.25", "")).toThrow(
      refused(
        /^oQ2\.25e may take [\d,]+ bytes .*, 2\.25 bits per weight; the smallest possible plan takes [\d,]+, \d\.\d\d/,
      ),
    );
    let smallest = 0;
    try {
      plan("", "1MB");
    } catch (error) {
      const [, bytes] = /([\d,]+) bytes$/.exec((error as Error).message) ?? [];
      smallest = Number(bytes!.replaceAll(",", ""));
    }
    // The size it gives is possible, and a megabyte less is not.
    const megabytes = Math.ceil(smallest / 1e6);
    expect(plan("", `${megabytes}MB`).bytes).toBeLessThanOrEqual(megabytes * 1e6);
    expect(() => plan("", `${megabytes - 1}MB`)).toThrow(refused(/the smallest possible/));
  });
});

test("that no plan reaches is a warning, which names the largest plan", () => {
  const floors = parseFloors(defaultFloors);
  const warn = (bpw: string, by: typeof floors | null) =>
    requireBudget(parseTargets(bpw, "")[0]!, input, by);
  for (const by of [floors, null]) {
    expect(warn("8.5", by)).toBeNull();
    expect(warn("8.6", by)).toMatch(
      /^oQ8\.6e is larger than 8 bits throughout, which take [\d,]{14} bytes: the tier will have/,
    );
  }
  expect(requireBudget(tiers[0]!, input, null)).toBeNull();
});

test.each([
  [null, /^Choose larger tiers or targets\. No plan has less than 2 bits\.$/],
  [{}, /^Choose larger tiers or targets\. No plan has less than 3 bits\.$/],
  [parseFloors("attention=6"), /or lower the floors: --floors attention=4/],
])("the hint for a target that is too small names floors only where there are any", (by, says) => {
  const hint = expect.objectContaining({ hint: expect.stringMatching(says) });
  expect(() => requireBudget(parseTargets("1", "")[0]!, input, by)).toThrow(hint);
});

test("scales of 32 bits add to the budgets", () => {
  const wide = (tier: number, by: typeof costs | null) =>
    planTier(tiers[tier]!, { ...input, storage: "F32" }, by);
  expect(wide(0, costs)).toMatchObject({ plan: "uniform 8bit", bpw: 9 });
  expect(wide(3, costs).bytes).toBeLessThanOrEqual(wide(3, null).bytes);
});
