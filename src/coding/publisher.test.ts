import { expect, test } from "vitest";
import { memoryRepository } from "../../test/hostile/memory.ts";
import { utf8 } from "../../test/hostile/target.ts";
import { OqeError } from "../ground/errors.ts";
import { checkPublisher, nameOriginal } from "./publisher.ts";

/** A repository with this card. */
function repository(id: string, fields: string | null) {
  const files = fields === null ? {} : { "README.md": utf8(`---\n${fields}\n---\n# ${id}\n`) };
  return { ...memoryRepository(files), id, name: id.split("/")[1]! };
}

test.each([
  ["deepseek-ai/DeepSeek-V3", "license: mit"],
  ["openai/gpt-oss-20b", "license: apache-2.0"],
  ["moonshotai/Kimi-K2-Thinking", "license: other"],
  ["mistralai/Ministral-3-8B", "base_model: mistralai/Ministral-3-8B-Base"],
  ["acme/Tuned-FP8", "base_model: qwen/Qwen3-8B\nbase_model_relation: finetune"],
  ["acme/Merged-FP8", "base_model: [a/One, b/Two]\nbase_model_relation: merge"],
  ["acme/Fp8ish-W4", "base_model: acme/Fp8ish"],
])("%s with the card %j is its authors' own", async (id, fields) => {
  expect(await checkPublisher(repository(id, fields))).toBeNull();
});

test.each([
  ["acme/Qwen3-8B-FP8", "base_model: qwen/Qwen3-8B", "qwen/Qwen3-8B"],
  ["acme/Nano-FP8", "base_model:\n- nvidia/Nano-BF16", "nvidia/Nano-BF16"],
  ["acme/Llama-FP8-dynamic", "base_model: meta/Llama", "meta/Llama"],
  ["acme/Llama-quantized.w4a16", "base_model: meta/Llama", "meta/Llama"],
  ["acme/Any", "base_model: meta/Llama\nbase_model_relation: Quantized", "meta/Llama"],
  ["nvidia/Llama-FP4", "base_model:\n- meta/Llama", "meta/Llama"],
  ["acme/Nano-NVFP4", "base_model:\n- nvidia/Nano-BF16", "nvidia/Nano-BF16"],
  ["acme/Qwen3-8B-AWQ", "base_model: qwen/Qwen3-8B", "qwen/Qwen3-8B"],
  ["acme/Qwen3-8B-GPTQ-Int4", "base_model: qwen/Qwen3-8B", "qwen/Qwen3-8B"],
])("%s with the card %j is a quantization", async (id, fields, original) => {
  await expect(checkPublisher(repository(id, fields))).rejects.toMatchObject({
    code: "ALREADY_QUANTIZED",
    message: `${id} is already quantized: its card says that it is a quantization of "${original}"`,
    hint: expect.stringContaining(`Name "${original}" as the base`),
  });
});

test.each([
  ["Qwen/Qwen3-8B-FP8", "base_model: qwen/Qwen3-8B", "qwen/Qwen3-8B"],
  ["nvidia/Nano-FP8", "base_model:\n- nvidia/Nano-BF16", "nvidia/Nano-BF16"],
  [
    "moonshotai/Kimi",
    "base_model: moonshotai/Kimi-BF16\nbase_model_relation: quantized",
    "moonshotai/Kimi-BF16",
  ],
])(
  "%s with the card %j is a quantization by the makers: a warning",
  async (id, fields, original) => {
    expect(await checkPublisher(repository(id, fields))).toBe(
      `${id} is a quantization of "${original}" by the same owner. The figures compare with its ` +
        "values, so the error of that quantization is not in them. Tiers of " +
        `"${original}" are closer to the model`,
    );
  },
);

test("a folder has no owner, so it is not the makers' own quantization", async () => {
  const folder = { ...repository("qwen/Qwen3-8B-FP8", "base_model: qwen/Qwen3-8B"), id: null };
  await expect(checkPublisher(folder)).rejects.toMatchObject({
    code: "ALREADY_QUANTIZED",
    hint: expect.stringMatching(/If its makers quantized it, name their repository on the Hub\.$/),
  });
});

test("a quantization whose card names no original is refused too", async () => {
  const card = "base_model_relation: quantized";
  await expect(checkPublisher(repository("acme/Any", card))).rejects.toMatchObject({
    message: expect.stringContaining("a quantization of another model"),
    hint: expect.stringContaining("Name the original as the base"),
  });
});

test.each(["base_model: [[[", "base_model: {a: 1}", "base_model: 7\nbase_model_relation: [x]"])(
  "a card with %j says nothing",
  async (fields) => {
    expect(await checkPublisher(repository("acme/Any", fields))).toBeNull();
  },
);

test("a name with a precision and a card without an original give a warning", async () => {
  expect(await checkPublisher(repository("acme/Model-FP8", "license: mit"))).toBe(
    "the card of acme/Model-FP8 names no original, so nothing says whether its authors quantized " +
      "it or somebody else did, with loss. Where there is an unquantized original " +
      '("acme/Model" or "acme/Model-BF16"), use that',
  );
});

test.each([
  ["qwen/Qwen3-8B-AWQ", "base_model: qwen/Qwen3-8B", 'Name "qwen/Qwen3-8B" as the base'],
  ["acme/Any", "base_model: a/B\nbase_model_relation: quantized", 'Name "a/B" as the base'],
  ["nvidia/Nano-NVFP4", "license: mit", 'may be "nvidia/Nano" or "nvidia/Nano-BF16", as the base'],
  ["acme/x.w4a16", null, 'may be "acme/x" or "acme/x-BF16", as the base'],
  // The model that it was tuned from is not the unquantized one.
  ["acme/Tuned", "base_model: meta/Llama", "usual"],
  ["acme/Any", null, "usual"],
])("a refusal of %s with the card %j names the original", async (id, fields, hint) => {
  const error = new OqeError("ALREADY_QUANTIZED", "it is", "usual");
  expect(await nameOriginal(error, repository(id, fields))).toMatchObject({
    code: "ALREADY_QUANTIZED",
    message: "it is",
    hint: expect.stringContaining(hint),
  });
});

test("other errors stay as they are", async () => {
  const error = new OqeError("BAD_CHECKPOINT", "it is", "usual");
  expect(await nameOriginal(error, repository("acme/A-FP8", "base_model: a/A"))).toBe(error);
});

test("without a card there is a warning", async () => {
  expect(await checkPublisher(repository("acme/Any", null))).toMatch(/^acme\/Any has no card/);
});
