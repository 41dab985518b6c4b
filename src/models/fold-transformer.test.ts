import { expect, test } from "vitest";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { findArchitecture } from "./registry.ts";

const sizes = { hidden_size: 128, vocab_size: 384, num_hidden_layers: 2 };
const fold = (type: string, change: ModelConfig = {}) =>
  findArchitecture({ model_type: type }).fold({ model_type: type, ...sizes, ...change });

test("llama: transformers' defaults", () => {
  expect(fold("llama", { num_attention_heads: 4 }).config).toEqual({
    model_type: "llama",
    ...sizes,
    num_attention_heads: 4,
    num_key_value_heads: 4,
    head_dim: 32,
    hidden_act: "silu",
    rms_norm_eps: 1e-6,
    tie_word_embeddings: false,
    intermediate_size: 11_008,
    max_position_embeddings: 2048,
    attention_bias: false,
    mlp_bias: false,
    rope_theta: 10_000,
  });
});

test("qwen3: transformers' defaults, among them a head size of its own", () => {
  expect(fold("qwen3").config).toMatchObject({
    num_attention_heads: 32,
    num_key_value_heads: 32,
    head_dim: 128,
    max_position_embeddings: 32_768,
    tie_word_embeddings: false,
    rope_theta: 10_000,
  });
  expect(fold("qwen3", { num_attention_heads: 8, num_key_value_heads: null }).config).toMatchObject(
    {
      num_key_value_heads: 8,
    },
  );
});

test("qwen3_moe: transformers' defaults", () => {
  const { config } = fold("qwen3_moe", { mlp_only_layers: null });
  expect(config).toMatchObject({
    num_key_value_heads: 4,
    head_dim: 4,
    num_experts: 128,
    num_experts_per_tok: 8,
    moe_intermediate_size: 768,
    decoder_sparse_step: 1,
    mlp_only_layers: [],
    norm_topk_prob: false,
    max_position_embeddings: 32_768,
  });
  expect(fold("qwen3_moe", { num_local_experts: 8 }).config.num_experts).toBe(8);
});

test.each([
  [
    "llama",
    { hidden_act: "gelu" },
    `"hidden_act" is "gelu"; mlx-lm's "llama" computes only "silu"`,
  ],
  ["qwen3", { hidden_act: "gelu" }, '"gelu"'],
  ["llama", { rope_traditional: true }, '"rope_traditional" is true'],
  ["llama", { layer_types: ["full_attention", "sliding_attention"] }, "sliding window"],
  ["qwen3", { attention_bias: true }, '"attention_bias" is true'],
  ["qwen3_moe", { attention_bias: true }, '"attention_bias" is true'],
  [
    "qwen3_moe",
    { rope_scaling: { type: "linear", factor: 2 } },
    `type "linear"; mlx-lm's "qwen3_moe"`,
  ],
])("%s: refuses %j, which mlx-lm computes otherwise", (type, change, words) => {
  expect(() => fold(type, change)).toThrow(words);
  expect(() => fold(type, change)).toThrow(expect.objectContaining({ code: "UNSUPPORTED_MODEL" }));
});

test("llama may name full attention for every layer, and swish for silu", () => {
  const change = { layer_types: ["full_attention", "full_attention"], hidden_act: "swish" };
  expect(fold("llama", change).warnings).toEqual([]);
});

test("warns of sliding windows, which mlx-lm does not have", () => {
  const window = { use_sliding_window: true, sliding_window: 64, max_window_layers: 0 };
  for (const type of ["qwen3", "qwen3_moe"]) {
    expect(fold(type, window).warnings).toEqual([
      expect.stringContaining(
        `"sliding_window" is 64; mlx-lm's "${type}" attends to all positions`,
      ),
    ]);
  }
  for (const change of [
    { sliding_window: 64 },
    { ...window, sliding_window: null },
    { ...window, max_window_layers: 2 },
    { ...window, layer_types: ["full_attention", "full_attention"] },
  ])
    expect(fold("qwen3", change).warnings).toEqual([]);
});

test("warns that qwen3_moe in mlx-lm does not stretch positions beyond the limit", () => {
  const { config, warnings } = fold("qwen3_moe", { rope_scaling: { type: "dynamic", factor: 2 } });
  expect(config.rope_scaling).toEqual({ rope_type: "dynamic", factor: 2 });
  expect(warnings).toEqual([expect.stringContaining("max_position_embeddings (32768)")]);
});
