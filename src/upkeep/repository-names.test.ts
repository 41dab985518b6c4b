import { expect, test } from "vitest";
import { repositoryNames } from "./repository-names.ts";

const tier = (name: string, repository: string) => ({ tier: name, repository });

test("repositories that differ by the tier alone are named once", () => {
  expect(
    repositoryNames([tier("oQ8e", "acme/My-Nano-oQ8e"), tier("oQ4e", "acme/My-Nano-oQ4e")]),
  ).toBe("`acme/My-Nano-*`");
});

test.each([
  [[tier("oQ8e", "acme/Nano-oQ8e")], "`acme/Nano-oQ8e`"],
  [
    [tier("oQ8e", "acme/Nano-oQ8e"), tier("oQ4e", "other/Nano-oQ4e")],
    "`acme/Nano-oQ8e`, `other/Nano-oQ4e`",
  ],
  [
    [tier("oQ8e", "acme/Nano-oQ8e"), tier("oQ4e", "acme/renamed")],
    "`acme/Nano-oQ8e`, `acme/renamed`",
  ],
])("others are named each: %#", (tiers, words) => {
  expect(repositoryNames(tiers)).toBe(words);
});
