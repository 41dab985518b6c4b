import { expect, it } from "vitest";
import { checkTierName, tierName } from "./tier-names.ts";

const names = ["model-", "a--b", "my model", "模型", "x..y"].map((name) => tierName(name, "oQ4e"));

it.each(names)("a folder may be named %s, a repository not", (name) => {
  expect(checkTierName(name, null)).toBe(name);
  expect(() => checkTierName(name, "org")).toThrow(/not a repository name on the Hub/);
});

it.each([".hidden", "a:b", "a\\b", "a\nb", "a".repeat(300)])("refuses %j as a folder", (name) => {
  expect(() => checkTierName(tierName(name, "oQ4e"), null)).toThrow(/cannot be the name of/);
});

it("strips the suffixes of a format", () => {
  expect(tierName("Nano-30B-BF16", "oQ4e")).toBe("Nano-30B-oQ4e");
  expect(checkTierName("Nano-30B-oQ4e", "org")).toBe("org/Nano-30B-oQ4e");
});
