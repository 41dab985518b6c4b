import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { foldConfig, readConfig, storageDtype } from "./config.ts";
import { openFolder } from "./folder.ts";

const models = fileURLToPath(new URL("../../test/models/random-tiny/", import.meta.url));

async function readText(text: string) {
  const folder = await mkdtemp(join(tmpdir(), "oqe-config-"));
  try {
    await writeFile(join(folder, "config.json"), text);
    const repository = await openFolder(folder);
    const file = await readConfig(repository);
    await repository.close?.();
    return file;
  } finally {
    await rm(folder, { recursive: true });
  }
}

test.each(["llama", "qwen3", "qwen3_moe", "nemotron_h"])(
  "folds %s of transformers 5 into the published config",
  async (model) => {
    const published = await readText(await readFile(join(models, model, "config.json"), "utf8"));
    const newer = await readText(
      await readFile(join(models, model, "config.transformers5.json.txt"), "utf8"),
    );
    const { transformers_version: v4, ...old } = published.config;
    const { transformers_version: v5, ...folded } = newer.config;
    expect(folded).toEqual(old);
    expect([v4, v5]).toEqual(["4.55.4", "5.24.0"]);
    expect(newer.floatKeys).toEqual(published.floatKeys);
  },
);

test("folds every spelling of a Nemotron-H block", () => {
  const kinds = ["mamba", "linear_attention", "attention", "full_attention", "moe", "mlp"];
  const folded = foldConfig({ model_type: "nemotron_h", layers_block_type: kinds }, "config.json");
  expect(folded).toEqual({
    model_type: "nemotron_h",
    hybrid_override_pattern: "MM**E-",
    num_hidden_layers: 6,
  });
});

test("leaves the original alone, and other models' keys where they are", () => {
  const original = {
    model_type: "granite",
    num_local_experts: 4,
    layers_block_type: ["mamba"],
    dtype: "float16",
  };
  const copy = structuredClone(original);
  expect(foldConfig(original, "config.json")).toEqual({
    model_type: "granite",
    num_local_experts: 4,
    layers_block_type: ["mamba"],
    torch_dtype: "float16",
  });
  expect(original).toEqual(copy);
});

test("folds rope parameters: a scaling stays a scaling, a default one goes", () => {
  const llama3 = { rope_type: "llama3", factor: 8, low_freq_factor: 1 };
  expect(
    foldConfig({ model_type: "llama", rope_parameters: { rope_theta: 5e5, ...llama3 } }, "x"),
  ).toEqual({
    model_type: "llama",
    rope_theta: 5e5,
    rope_scaling: llama3,
  });
  expect(
    foldConfig(
      { model_type: "llama", rope_parameters: { rope_theta: 1e4, partial_rotary_factor: 0.5 } },
      "x",
    ),
  ).toEqual({
    model_type: "llama",
    rope_theta: 1e4,
    partial_rotary_factor: 0.5,
  });
  expect(foldConfig({ model_type: "llama", rope_parameters: null }, "x")).toEqual({
    model_type: "llama",
  });
  const perLayer = {
    model_type: "gemma3",
    rope_parameters: { full_attention: { rope_theta: 1e6 } },
  };
  expect(foldConfig(perLayer, "x")).toEqual(perLayer);
});

test("both generations may say the same, in any order of keys", () => {
  const folded = foldConfig(
    {
      model_type: "llama",
      dtype: "bfloat16",
      torch_dtype: "bfloat16",
      rope_scaling: { factor: 2, rope_type: "linear" },
      rope_parameters: { rope_type: "linear", factor: 2 },
    },
    "x",
  );
  expect(folded).toEqual({
    model_type: "llama",
    torch_dtype: "bfloat16",
    rope_scaling: { factor: 2, rope_type: "linear" },
  });
});

test("a newer key that is null does not hide the older one", () => {
  expect(
    foldConfig({ model_type: "llama", dtype: null, torch_dtype: "float16" }, "x"),
  ).toMatchObject({
    torch_dtype: "float16",
  });
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
