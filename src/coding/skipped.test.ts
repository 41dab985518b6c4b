import { expect, test } from "vitest";
import { isSkipped, joinSkipped } from "./skipped.ts";

/** What `should_convert_module` of transformers 5.24 refuses to convert, and our verdict. */
const isListed = (entry: string, module: string) => {
  const has = entry.includes("*");
  const [under, patterns] = has ? [new Set<string>(), [entry]] : [new Set([entry]), []];
  return isSkipped({ modules: new Set(), under, patterns, expressions: [] }, module);
};
const q = "model.layers.11.self_attn.q_proj";

test.each([
  [q, true],
  ["model.layers.11", true],
  ["model.layers.11.self_attn", true],
  ["model.layers.1", false],
  ["model.layers.11.self_attn.q", false],
  ["q_proj", true],
  ["self_attn.q_proj", true],
  ["self_attn", false],
  ["layers.11", false],
  ["model.layers.*.self_attn", true],
  ["model.layers.*.self_attn.q_proj", true],
  ["model.layers.*.mlp", false],
  ["model.layers.*.q", false],
  ["model.*.11.*", true],
  ["layers.*.self_attn", false],
  ["*self_attn*", true],
  ["*.self_attn.*proj", true],
  ["*.self_attn.*pro", false],
  ["re:.*", false],
])("%s names a projection: %s", (entry, expected) => {
  expect(isListed(entry, q)).toBe(expected);
});

test("a module that is listed by its whole name stands for itself alone", () => {
  const none = { under: new Set<string>(), patterns: [], expressions: [] };
  const one = { ...none, modules: new Set([q]) };
  const both = joinSkipped([one, { ...none, modules: new Set(["model.layers.11"]) }]);
  expect([q, `${q}.x`, "model.layers.11"].map((name) => isSkipped(both, name))).toEqual([
    true,
    false,
    true,
  ]);
});
