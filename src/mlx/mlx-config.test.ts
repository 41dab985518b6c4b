import { expect, test } from "vitest";
import { parseJson } from "../checkpoint/json.ts";
import { mlxConfigText } from "./mlx-config.ts";

const widths = {
  defaults: { bits: 4, groupSize: 64 },
  modules: {
    "model.layers.0.mlp.up_proj": { bits: 4, groupSize: 64 },
    lm_head: { bits: 6, groupSize: 64 },
    "model.embed_tokens": { bits: 4, groupSize: 32 },
  },
} as const;

const expected = {
  group_size: 64,
  bits: 4,
  mode: "affine",
  lm_head: { group_size: 64, bits: 6, mode: "affine" },
  "model.embed_tokens": { group_size: 32, bits: 4, mode: "affine" },
};

test("states the default, every module that differs, and the same twice", () => {
  const text = mlxConfigText(
    { model_type: "llama" },
    { ...widths, storage: "BF16", floatKeys: new Set() },
  );
  expect(JSON.parse(text)).toEqual({
    model_type: "llama",
    torch_dtype: "bfloat16",
    quantization: expected,
    quantization_config: expected,
  });
});

test("is the base's config otherwise: keys sorted, floats floats, no local path", () => {
  const config = {
    vocab_size: 384,
    _name_or_path: "/home/somebody/model",
    attention_dropout: 0,
    torch_dtype: "float32",
    time_step_limit: [0, Number.POSITIVE_INFINITY],
  };
  const floatKeys = new Set(["attention_dropout", "time_step_limit"]);
  const text = mlxConfigText(config, {
    defaults: widths.defaults,
    modules: {},
    storage: "F16",
    floatKeys,
  });
  const quantization =
    '{\n        "group_size": 64,\n        "bits": 4,\n        "mode": "affine"\n    }';
  expect(text).toBe(`{
    "attention_dropout": 0.0,
    "quantization": ${quantization},
    "quantization_config": ${quantization},
    "time_step_limit": [
        0.0,
        {"__float__": "Infinity"}
    ],
    "torch_dtype": "float16",
    "vocab_size": 384
}`);
  expect(parseJson(text, "config.json")).toMatchObject({
    time_step_limit: [0, Number.POSITIVE_INFINITY],
  });
});
