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
  ["^(?!.*self_attn).*proj", "model.mlp.up_proj", true],
  ["(?=.*q_proj)model", q, true],
  ["(?=.*(?:q|k)_proj)(?!.*mlp|lm)model", q, true],
  ["(?!(?:lm_head|model[.]norm)$)(?:.*)", "model.norm", false],
  ["(?!(?:lm_head|model[.]norm)$)(?:.*)", "model.norm2", true],
  ["^(?!.*[)].*)", "a)", false],
  ["(?!lm)(?P<front>model|lm).*", q, true],
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
  ["(()){99}model", q, true],
  [`${"(".repeat(400)}model${")".repeat(400)}`, q, true],
  // RE2 alone reads these otherwise.
  ["a{,2}b", "aab", true],
  ["a{,2}$", "a{,2}", false],
  ["a{,}b", "aaab", true],
  ["a{02}b", "aab", true],
  ["a{02}b", "a{02}b", false],
  ["[{,2}]{2}$", "{,", true],
  ["a{}", "a{}", true],
  ["a\\Z|ab\\Z", "ab", true],
  ["[\\w-]+\\Z", "a-b", true],
  ["[a-b-c]+\\Z", "a-c", true],
  ["[^]a]", "]", false],
  ["\\_a", "_a", true],
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
  "a{2}+",
  "a(?=b)",
  ".*(?!b)a",
  "((?!b)a)",
  "(?!b)a|c",
  "(?!(?P<b>b))(?P<b>a)",
  "(?!b)*a",
  "(?!b){,2}a",
  "(?!(?!b))a",
  "(?!b",
  "(?!b))a",
  "(?<=a)b",
  "(?<!a)b",
  "(?i)a",
  "(?i:a)",
  "(?U)a",
  "(?>a)",
  "(?<front>a)",
  "(?P<1>a)",
  "(?P=front)",
  "^*a",
  "a$?",
  "\\b+",
  "a{1001}",
  "a{12345678901}",
  "[b-a]",
  "[\\d-z]",
  "[a-\\d]",
  "[[:alpha:]]",
  "[\\b]",
  "\\",
  ..."hHpPQEzGKCRxuN0nt".split("").map((letter) => `\\${letter}{L}`),
  "é",
  "[é]",
  "x".repeat(2000),
  "(?:(?:x{30}){30}y){30}",
  "(?:x{100}){10}y",
])("%s is not read", (text) => {
  expect(Expression.read(text)).toBeNull();
});

test("names with other characters than modules have match nothing", () => {
  for (const name of ["é", "a\n", "", "a".repeat(1000)])
    expect(Expression.read(".*")!.matches(name)).toBe(false);
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
  ["a[]b", "a[]b", true],
  ["a[!]b", "a[!]b", true],
  ["a[!]]b", "a]b", false],
  ["a[\\w]b", "a\\b", true],
  ["a[b-d-f]", "ae", false],
  ["a.(b|c)", "a.(b|c)", true],
  ["a\\.b{2}$", "a\\.b{2}$", true],
])("the wildcards %s match %s: %s", (text, name, expected) => {
  expect(Expression.wildcards(text)?.matches(name)).toBe(expected);
});

test.each(["[b-a]", "a*".repeat(600)])("the wildcards %s are not read", (text) => {
  expect(Expression.wildcards(text)).toBeNull();
});

test("an expression that costs too much says so", () => {
  const costly = Expression.read(".*a.{20}c")!;
  const run = () => {
    for (let i = 1; i < 10_000; i++)
      costly.matches((2 ** 0.5 * i).toString(3).replaceAll("1", "a"));
  };
  expect(run).toThrow(/"\.\*a\.\{20\}c" of the quantization settings takes too long/);
});

test("an expression of many choices is read over all names of a large model", () => {
  const layers = Array.from({ length: 62 }, (_, i) => i).join("|");
  const expression = Expression.read(
    `(?:language_model\\.)?model\\.layers\\.(${layers})\\.mlp\\.experts\\.\\d{1,3}\\.(gate|up|down)_proj$`,
  )!;
  for (let layer = 0; layer < 64; layer++) {
    for (let expert = 0; expert < 40; expert++) {
      const name = `model.layers.${layer}.mlp.experts.${expert}.up_proj`;
      expect(expression.matches(name)).toBe(layer < 62);
    }
  }
});
