import { expect, test } from "vitest";
import { didYouMean } from "./suggestion.ts";

const flags = ["tiers", "target-bpw", "target-size", "policy", "max-kl"];

test.each([
  ["tier", flags, "Did you mean tiers? "],
  ["Polcy", flags, "Did you mean policy? "],
  ["target-sizes", flags, "Did you mean target-size? "],
  ["maxkl", flags, "Did you mean max-kl? "],
  ["colour", flags, ""],
  // Two changes make another word of a short one.
  ["oq", ["none"], ""],
  // As near to one as to the other.
  ["oQ7e", ["oQ8e", "oQ6e"], ""],
  ["oQ4", ["oQ8e", "oQ4e"], "Did you mean oQ4e? "],
  ["", flags, ""],
  ["x", [], ""],
])("%s", (text, words, says) => {
  expect(didYouMean(text, words)).toBe(says);
});

test("shows a word as the user would write it", () => {
  expect(didYouMean("tier", flags, (flag) => `--${flag}`)).toBe("Did you mean --tiers? ");
});
