import { expect, test } from "vitest";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { llama as architecture } from "./llama.ts";
import { ropeOf } from "./rope.ts";

const llama: ModelConfig = {
  model_type: "llama",
  hidden_size: 128,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 4,
  max_position_embeddings: 4096,
};
const of = (change: ModelConfig, length = 64) =>
  ropeOf(architecture.fold({ ...llama, ...change }).config, length);

test("a plain rotary embedding has its base and nothing more", () => {
  expect(of({})).toEqual({ base: 10_000, scaling: { kind: "default" } });
  expect(of({ rope_theta: 5e5 })).toEqual({ base: 5e5, scaling: { kind: "default" } });
});

test("linear and llama3 have their parameters", () => {
  expect(of({ rope_scaling: { type: "linear", factor: 4 } }).scaling).toEqual({
    kind: "linear",
    factor: 4,
  });
  const llama3 = { factor: 8, low_freq_factor: 1, high_freq_factor: 4 };
  expect(of({ rope_scaling: { rope_type: "llama3", ...llama3 } }).scaling).toEqual({
    kind: "llama3",
    factor: 8,
    low: 1,
    high: 4,
    original: 4096,
  });
});

test("yarn has transformers' defaults, and an attention factor only where it is given", () => {
  const yarn = (scaling: ModelConfig) => of({ rope_scaling: { type: "yarn", ...scaling } }).scaling;
  const usual = { kind: "yarn", fast: 32, slow: 1, whole: true, attention: null, mscales: [1, 0] };
  expect(yarn({ factor: 4 })).toEqual({ ...usual, factor: 4, original: 4096 });
  expect(yarn({ factor: 4, attention_factor: 1.5, beta_slow: 2 })).toMatchObject({
    attention: 1.5,
    slow: 2,
  });
  expect(yarn({ factor: 4, mscale: 2, mscale_all_dim: 1 })).toMatchObject({ mscales: [2, 1] });
});

test("dynamic is plain up to the limit, and stretches the base beyond", () => {
  const dynamic = { rope_scaling: { type: "dynamic", factor: 2 }, max_position_embeddings: 64 };
  for (const length of [1, 64])
    expect(of(dynamic, length)).toEqual({ base: 10_000, scaling: { kind: "default" } });
  const { base, scaling } = of(dynamic, 128);
  // 10000 · (2 · 128 / 64 - 1) ^ (32 / 30), for heads of 128 / 4 channels.
  expect(base).toBeCloseTo(10_000 * 3 ** (32 / 30), 6);
  expect(scaling).toEqual({ kind: "default" });
});
