import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readConfig, storageDtype } from "./config.ts";
import { openFolder } from "./folder.ts";

async function readText(text: string) {
  const folder = await mkdtemp(join(tmpdir(), "oqe-config-"));
  try {
    await writeFile(join(folder, "config.json"), text);
    const repository = await openFolder(folder);
    return await readConfig(repository).finally(() => repository.close?.());
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("gives the config as the file has it, and the keys whose numbers are floats", async () => {
  const text =
    '{"model_type": "llama", "rope_theta": 10000.0, "vocab_size": 8, "dtype": "float16"}';
  const { config, floatKeys } = await readText(text);
  expect(config).toEqual({
    model_type: "llama",
    rope_theta: 10_000,
    vocab_size: 8,
    dtype: "float16",
  });
  expect([...floatKeys]).toEqual(["rope_theta"]);
});

test.each([
  ["[]", /config\.json is not a JSON object/],
  ["{}", /config\.json: model_type should be a word, got nothing/],
  ['{"model_type": "../../x"}', /model_type should be a word, got "\.\.\/\.\.\/x"/],
])("refuses %s", async (text, message) => {
  await expect(readText(text)).rejects.toThrow(message);
  await expect(readText(text)).rejects.toMatchObject({ code: "BAD_CHECKPOINT" });
});

const tensors = (...dtypes: string[]) => dtypes.map((dtype) => ({ dtype }));

test.each([
  [{ torch_dtype: "bfloat16" }, tensors("F16"), "BF16"],
  [{ torch_dtype: "float16" }, tensors("BF16"), "F16"],
  [{ torch_dtype: "torch.float16" }, tensors("BF16"), "F16"],
  [{ torch_dtype: "float32" }, tensors("F32"), "BF16"],
  [{}, tensors("F16", "F16", "I64"), "F16"],
  [{}, tensors("F16", "F32"), "BF16"],
  [{}, tensors("F32"), "BF16"],
  [{}, tensors("I64"), "BF16"],
] as const)("stores %j with %j as %s", (config, dtypes, expected) => {
  expect(storageDtype(config, dtypes)).toBe(expected);
});
