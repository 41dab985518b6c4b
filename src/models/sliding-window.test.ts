import { expect, test } from "vitest";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { findArchitecture } from "./registry.ts";
import { windowFrom, windowOf } from "./sliding-window.ts";

const config: ModelConfig = {
  num_hidden_layers: 3,
  num_attention_heads: 4,
};
const used = { ...config, use_sliding_window: true, sliding_window: 128 };
const windows = (c: ModelConfig) => [0, 1, 2].map((layer) => windowFrom(c, layer));

test("a Qwen has the window of transformers in each layer", () => {
  expect(windows({ ...used, max_window_layers: 1 })).toEqual([null, 128, 128]);
  expect(windows({ ...used, max_window_layers: 0 })).toEqual([128, 128, 128]);
  expect(windows(used)).toEqual([null, null, null]); // max_window_layers is 28 by default
  expect(windows({ ...used, max_window_layers: 0, use_sliding_window: false })).toEqual(
    Array(3).fill(null),
  );
  const types = ["sliding_attention", "full_attention", "sliding_attention"];
  expect(windows({ ...used, layer_types: types, max_window_layers: 1 })).toEqual([128, null, 128]);
  expect(windowOf(used)).toBe(128);
  expect(windowOf({ ...used, sliding_window: null })).toBeNull();
  expect(windowOf({ ...config, use_sliding_window: true })).toBe(4096);
});

test("layers with a window of no size are refused", () => {
  const { check } = findArchitecture({ model_type: "qwen2" }).forward;
  const types = ["full_attention", "sliding_attention", "full_attention"];
  expect(() => check({ ...config, model_type: "qwen2", layer_types: types })).toThrow(
    expect.objectContaining({
      code: "BAD_CHECKPOINT",
      message: expect.stringContaining("layer 1"),
    }),
  );
});
