import { expect, test } from "vitest";
import { isSkipped, joinSkipped } from "./skipped.ts";
import { skippedBy } from "./skipped-by.ts";

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
  ["_proj", true],
  ["proj", true],
  ["pro", false],
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

/** `should_convert_module` of transformers 5.24, for lists as makers publish them. */
const inner = "model.language_model.layers.10.mlp";
test.each<[list: string[], skipped: string[], others: string[]]>([
  [
    ["lm_head", "model.embed_tokens", `${inner}.gate`, "mtp.fc", "mtp.layers.0.mlp.gate"],
    ["lm_head", `${inner}.gate`, "mtp.fc", "mtp.layers.0.mlp.gate"],
    [`${inner}.gate_proj`, "mtp.layers.0.mlp.experts.1.gate_proj"],
  ],
  [
    ["model.visual", "mtp"],
    ["model.visual.blocks.0.attn.qkv", "mtp.fc", "mtp.layers.0.self_attn.q_proj"],
    [`${inner}.gate`, "model.visuals.x"],
  ],
  [
    ["model.layers.1.mlp.gate"],
    ["model.layers.1.mlp.gate"],
    ["model.layers.11.mlp.gate", "model.layers.1.mlp.gate_proj"],
  ],
  [
    [".*mlp.gate$", "model.visual.*"],
    [`${inner}.gate`, "mtp.layers.0.mlp.gate", "model.visual.merger.linear_fc1"],
    [`${inner}.gate_proj`, `${inner}.shared_expert_gate`],
  ],
  [
    ["model\\.language_model\\.layers\\.\\d+\\.mlp\\.(gate|shared_expert_gate)"],
    [`${inner}.gate`, `${inner}.shared_expert_gate`],
    [`${inner}.gate_proj`, "mtp.layers.0.mlp.gate"],
  ],
  [["gate"], [`${inner}.gate`, `${inner}.shared_expert_gate`], [`${inner}.gate_proj`]],
])("the list %j", (modules_to_not_convert, skipped, others) => {
  const refuse = (found: string) => {
    throw new Error(found);
  };
  const read = skippedBy("fp8", { modules_to_not_convert }, refuse);
  expect(skipped.filter((name) => !isSkipped(read, name))).toEqual([]);
  expect(others.filter((name) => isSkipped(read, name))).toEqual([]);
});
