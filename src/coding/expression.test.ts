import { expect, test } from "vitest";
import { Expression } from "./expression.ts";

const q = "model.layers.11.self_attn.q_proj";
const gate = "model.layers.3.mlp.gate";

/** What `re.match(pattern, name) is not None` of Python 3.11 says. */
test.each([
  [".*lm_head", "lm_head", true],
  [".*lm_head", "language_model.lm_head", true],
  [".*lm_head", q, false],
  [".*mlp.gate$", gate, true],
  [".*mlp\\.gate$", `${gate}_proj`, false],
  [".*mlp.gate", `${gate}_proj`, true],
  ["mlp", gate, false],
  ["^model\\.layers\\.\\d+\\.mlp", gate, true],
  ["model\\.layers\\.(0|11)\\.", q, true],
  ["model\\.layers\\.(0|1)\\.", q, false],
  ["model.layers.([2-9]|1[0-9]).*proj$", q, true],
  [".*self_attn.(q|k|v)_proj", q, true],
  [".*\\.(?:q|k|v)_proj$", q, true],
  ["(?!.*self_attn).*proj", q, false],
  ["(?=.*q_proj)model", q, true],
  ["(?P<front>model|lm).*", q, true],
  [".*[^q]_proj$", q, false],
  [".*[a-q]_proj$", q, true],
  ["\\w+\\.\\w+\\.1{2}\\.\\S*?", q, true],
  ["\\w+\\.\\w+\\.1{3}\\.", q, false],
  ["\\w+\\.\\w+\\.1{,2}\\.", q, true],
  [".*1{3,}", q, false],
  [".*\\bq_proj\\Z", q, true],
  [".*attn\\B", q, false],
  ["[]m]odel", q, true],
  ["a{x}", "a{x}", true],
  ["a|model", q, true],
  ["(|model).layers", q, true],
  ["", q, true],
  ["(a*)*(a*)*(a*)*$", `${"a".repeat(400)}b`, false],
  ["(()){999}model", q, true],
])("%s matches the beginning of %s: %s", (text, name, expected) => {
  expect(Expression.read(text)?.matches(name)).toBe(expected);
});

test.each([
  "(a",
  "a)",
  "[a",
  "*a",
  "a**",
  "a++",
  "a{2,1}",
  "\\1",
  "(?<=a)b",
  "(?i)a",
  "(?>a)",
  "[b-a]",
  "[\\d-z]",
  "\\",
  "\\p{L}",
  "x".repeat(2000),
  "(".repeat(100) + ")".repeat(100),
])("%s is not read", (text) => {
  expect(Expression.read(text)).toBeNull();
});

/** What `fnmatch.fnmatchcase` of Python 3.11 says. */
test.each([
  ["*lm_head*", "language_model.lm_head", true],
  ["backbone.layers.*.mixer.conv1d", "backbone.layers.12.mixer.conv1d", true],
  ["backbone.layers.*.mixer.conv1d", "backbone.layers.12.mixer.conv1d.x", false],
  ["model.layers.?.mlp.gate", gate, true],
  ["model.layers.?.*", q, false],
  ["model.layers.[1-4].mlp.gate", gate, true],
  ["model.layers.[!1-4].mlp.gate", gate, false],
  ["model.layers.[^3].mlp.gate", gate, true],
  ["model+layers", "model+layers", true],
  ["[model", "[model", true],
  ["a[]]b", "a]b", true],
])("the wildcards %s match %s: %s", (text, name, expected) => {
  expect(Expression.wildcards(text)?.matches(name)).toBe(expected);
});

test("an expression that costs too much says so", () => {
  const nested = Expression.read(`${"(".repeat(9)}a${"b?)*".repeat(9)}$`)!;
  const name = "ab".repeat(200);
  const run = () => {
    for (let i = 0; i < 10_000; i++) nested.matches(`${name}${i}`);
  };
  expect(run).toThrow(/"\(+ab\?.*" of the quantization settings takes too long/);
});
