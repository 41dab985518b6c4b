import { expect, test } from "vitest";
import { memoryRepository } from "../../test/hostile/memory.ts";
import { utf8 } from "../../test/hostile/target.ts";
import { checkPublisher } from "./publisher.ts";

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
  ["acme/Model-FP8", "license: mit"],
  ["acme/Fp8ish-W4", "base_model: acme/Fp8ish"],
])("%s with the card %j is its authors' own", async (id, fields) => {
  expect(await checkPublisher(repository(id, fields))).toBeNull();
});

test.each([
  ["qwen/Qwen3-8B-FP8", "base_model: qwen/Qwen3-8B", "qwen/Qwen3-8B"],
  ["nvidia/Nano-FP8", "base_model:\n- nvidia/Nano-BF16", "nvidia/Nano-BF16"],
  ["acme/Llama-FP8-dynamic", "base_model: meta/Llama", "meta/Llama"],
  ["acme/Llama-quantized.w4a16", "base_model: meta/Llama", "meta/Llama"],
  ["acme/Any", "base_model: meta/Llama\nbase_model_relation: Quantized", "meta/Llama"],
])("%s with the card %j is a quantization", async (id, fields, original) => {
  await expect(checkPublisher(repository(id, fields))).rejects.toMatchObject({
    code: "ALREADY_QUANTIZED",
    message: `${id} is already quantized: its card says that it is a quantization of "${original}"`,
    hint: expect.stringContaining(`Name "${original}" as the base`),
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
    expect(await checkPublisher(repository("acme/Any-FP8", fields))).toBeNull();
  },
);

test("without a card there is a warning", async () => {
  expect(await checkPublisher(repository("acme/Any", null))).toMatch(/^acme\/Any has no card/);
});
