import { expect, test } from "vitest";
import { foldConfig } from "../checkpoint/config.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { findArchitecture } from "./registry.ts";
import { ropeOf } from "./rope.ts";

const llama: ModelConfig = {
  model_type: "llama",
  num_hidden_layers: 2,
  num_attention_heads: 4,
  max_position_embeddings: 4096,
};
const check = (change: ModelConfig) => {
  const config = foldConfig({ ...llama, ...change }, "config.json");
  findArchitecture(config).forward.check(config);
};

test("both generations of configs say the same", () => {
  const old = { rope_theta: 5e5, rope_scaling: { type: "linear", factor: 4 } };
  const fresh = { rope_parameters: { rope_theta: 5e5, rope_type: "linear", factor: 4 } };
  const expected = { base: 5e5, scaling: { kind: "linear", factor: 4 } };
  for (const change of [old, fresh])
    expect(ropeOf(foldConfig({ ...llama, ...change }, "x"))).toEqual(expected);
  const plain = { base: 10_000, scaling: { kind: "default" } };
  for (const change of [
    {},
    { rope_parameters: { rope_type: "default", rope_theta: 1e4 } },
    { rope_scaling: null },
  ]) {
    expect(ropeOf(foldConfig({ ...llama, ...change }, "x"))).toEqual(plain);
  }
});

test("defaults and precedence are transformers'", () => {
  const yarn = (scaling: ModelConfig, more: ModelConfig = {}) =>
    ropeOf({ ...llama, ...more, rope_scaling: { rope_type: "yarn", ...scaling } }).scaling;
  const whole = { kind: "yarn", fast: 32, slow: 1, whole: true, attention: null, mscales: [0, 0] };
  expect(yarn({ factor: 4 })).toEqual({ ...whole, factor: 4, original: 4096 });
  expect(yarn({ factor: null, original_max_position_embeddings: 1024 })).toEqual({
    ...whole,
    factor: 4,
    original: 1024,
  });
  const outside = { original_max_position_embeddings: 512 };
  expect(yarn({ factor: 2, original_max_position_embeddings: 1024 }, outside)).toMatchObject({
    original: 512,
  });
  expect(yarn({ factor: 2, truncate: false, attention_factor: 1.5, beta_slow: 2 })).toMatchObject({
    whole: false,
    attention: 1.5,
    slow: 2,
  });
});

test("a rope type that nobody knows is refused with those that are", () => {
  const unknown = { rope_scaling: { rope_type: "spiral", factor: 2 } };
  expect(() => check(unknown)).toThrow(/"spiral".*default, linear, llama3, yarn/);
  expect(() => check(unknown)).toThrow(expect.objectContaining({ code: "UNSUPPORTED_MODEL" }));
  for (const rope_scaling of [
    { rope_type: "toString" },
    { type: 7 },
    { rope_type: "dynamic", factor: 2 },
  ]) {
    expect(() => check({ rope_scaling })).toThrow(
      expect.objectContaining({ code: "UNSUPPORTED_MODEL" }),
    );
  }
});

test("what else the passes do not compute is refused by name", () => {
  const changes: [ModelConfig, string][] = [
    [{ partial_rotary_factor: 0.5 }, "partial_rotary_factor 0.5"],
    [{ rope_parameters: { full_attention: { rope_type: "default" } } }, "each kind of layer"],
    [{ hidden_act: "gelu" }, '"gelu"'],
  ];
  for (const [change, words] of changes) {
    expect(() => check(change)).toThrow(words);
    expect(() => check(change)).toThrow(expect.objectContaining({ code: "UNSUPPORTED_MODEL" }));
  }
  const hybrid = { model_type: "nemotron_h", hybrid_override_pattern: "M" };
  expect(() => check({ ...hybrid, mlp_hidden_act: "silu" })).toThrow('"silu"');
  expect(() => check({ ...hybrid, mamba_num_heads: 6, n_groups: 4 })).toThrow(
    /6, no multiple of "n_groups", 4/,
  );
});

test("parameters that make no sense are a damaged config", () => {
  for (const rope_scaling of [
    "linear",
    [],
    { rope_type: "linear" },
    { rope_type: "linear", factor: 0 },
    { rope_type: "linear", factor: "2" },
    { rope_type: "llama3", factor: 8, low_freq_factor: 1 },
    { rope_type: "yarn", factor: 2, original_max_position_embeddings: -1 },
  ]) {
    expect(() => check({ rope_scaling })).toThrow(
      expect.objectContaining({ code: "BAD_CHECKPOINT" }),
    );
  }
  expect(() => check({ rope_theta: -1 })).toThrow(/rope_theta/);
});
