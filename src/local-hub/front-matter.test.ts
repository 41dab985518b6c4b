import { expect, test } from "vitest";
import { checkFrontMatter, readFrontMatter } from "./front-matter.ts";

const card = (yaml: string) => `---\n${yaml}\n---\n# Model\n`;

test.each([
  "license: apache-2.0",
  "license: [mit, apache-2.0]",
  "license: other\nlicense_name: nvidia-open-model-license\nlicense_link: https://example.com/licence",
  "license: mit\nbase_model: nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16\nbase_model_relation: quantized",
  "license: mit\nbase_model:\n- a/b\n- c/d",
  "license: mit\ntags: mlx\nlanguage:\n- en\n- de\ndatasets: [a/b]",
  'license: "mit"\npipeline_tag: text-generation\nlibrary_name: mlx',
])("fine: %s", (yaml) => {
  expect(checkFrontMatter(card(yaml))).toEqual({ errors: [], warnings: [] });
});

test.each([
  ["license: MIT", /"license" must be one of/],
  ["license: nvidia-open-model-license", /"license" must be one of/],
  ["license: {name: mit}", /"license" must be one of/],
  ["license: other\nlicense_link: LICENSE", /"license_name" is needed/],
  ["license: other\nlicense_name: x", /"license_link" is needed/],
  ["license: mit\nbase_model: model", /"base_model"/],
  ["license: mit\nbase_model: a/b/c", /"base_model"/],
  ["license: mit\nbase_model: https://huggingface.co/a/b", /"base_model"/],
  ["license: mit\nbase_model: [a/b, 7]", /"base_model"/],
  ["license: mit\nbase_model: a/b\nbase_model_relation: quantised", /"base_model_relation"/],
  ["license: mit\ntags: {mlx: true}", /"tags"/],
  ["license: mit\ntags: [mlx, 4]", /"tags"/],
  ["license: mit\nlanguage: 7", /"language"/],
  ["license: mit\npipeline_tag: [text-generation]", /"pipeline_tag"/],
  ["license: mit\nlicense: mit", /unique/],
  ["license: [mit", /./],
  ["- a list", /mapping/],
  ["just text", /mapping/],
  [
    "a: &a [x, x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b, *b]",
    /mapping/,
  ],
])("wrong: %s", (yaml, message) => {
  const { errors } = checkFrontMatter(card(yaml));
  expect(errors).toHaveLength(1);
  expect(errors[0]).toMatch(message);
});

test("missing metadata or licence is a warning", () => {
  for (const text of ["", "# Only text", "---\n---\n# Empty", "text\n---\nlicense: mine\n---\n"]) {
    expect(checkFrontMatter(text)).toEqual({
      errors: [],
      warnings: ["empty or missing yaml metadata in repo card"],
    });
  }
  expect(checkFrontMatter(card("tags: [mlx]"))).toEqual({
    errors: [],
    warnings: ['"license" is missing'],
  });
});

test("line ends and a byte order mark do not matter; a rule in the text does not end it", () => {
  expect(readFrontMatter("\uFEFF---\r\nlicense: mit\r\n---\r\ntext")).toEqual({ license: "mit" });
  expect(readFrontMatter("---\nlicense: mit\nnote: a --- b\n---\ntext\n\n---\nmore")).toEqual({
    license: "mit",
    note: "a --- b",
  });
});
