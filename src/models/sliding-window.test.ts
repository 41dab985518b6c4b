import { expect, test } from "vitest";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { findArchitecture } from "./registry.ts";
import { windowFrom, windowIfUsed, windowOfAll } from "./sliding-window.ts";

const config: ModelConfig = {
  model_type: "qwen3",
  hidden_size: 64,
  num_hidden_layers: 3,
  num_attention_heads: 4,
};
const used = { ...config, use_sliding_window: true, sliding_window: 128 };
const windows = (c: ModelConfig, type = "qwen3", rule = windowFrom) => {
  const { config } = findArchitecture({ model_type: type }).fold({ ...c, model_type: type });
  return [0, 1, 2].map((layer) => rule(config, layer));
};
const none = [null, null, null];

test("a dense Qwen has the window of transformers in each layer", () => {
  expect(windows({ ...used, max_window_layers: 1 })).toEqual([null, 128, 128]);
  expect(windows({ ...used, max_window_layers: 0 })).toEqual([128, 128, 128]);
  expect(windows(used)).toEqual(none); // max_window_layers is 28 by default
  expect(windows({ ...used, max_window_layers: 0, use_sliding_window: false })).toEqual(none);
  const types = ["sliding_attention", "full_attention", "sliding_attention"];
  expect(windows({ ...used, layer_types: types, max_window_layers: 1 })).toEqual([128, null, 128]);
});

test("Qwen3 MoE and Mistral have one window in all layers or none, 4096 by default", () => {
  const moe = (c: ModelConfig) => windows(c, "qwen3_moe", windowIfUsed);
  expect(moe(used)).toEqual([128, 128, 128]);
  expect(moe({ ...used, sliding_window: null })).toEqual(none);
  expect(moe({ ...config, sliding_window: 128 })).toEqual(none);
  expect(moe({ ...config, use_sliding_window: true })).toEqual([4096, 4096, 4096]);
  const mistral = (c: ModelConfig) => windows(c, "mistral", windowOfAll);
  expect(mistral({ ...config, sliding_window: 128 })).toEqual([128, 128, 128]);
  expect(mistral({ ...config, sliding_window: null })).toEqual(none);
  expect(mistral(config)).toEqual([4096, 4096, 4096]);
});

test("layers with a window of no size are refused", () => {
  const layer_types = ["full_attention", "sliding_attention", "full_attention"];
  expect(() => windows({ ...config, layer_types }, "qwen2")).toThrow(
    expect.objectContaining({
      code: "BAD_CHECKPOINT",
      message: expect.stringContaining("layer 1"),
    }),
  );
});
