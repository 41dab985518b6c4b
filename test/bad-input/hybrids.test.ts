import { basename } from "node:path";
import { describe, expect, test } from "vitest";
import { take } from "../support/base-layouts.ts";
import { rounded } from "../support/cli-run.ts";
import { editConfig, smallest } from "../support/models.ts";
import { makeRandomModel, sizesOnly } from "../support/random-model.ts";
import { type Refusal, refusalScene, spoiled } from "../support/refusal.ts";
import { readTensors, writeTensors } from "../support/safetensors.ts";

const scene = refusalScene();
const next = smallest.qwen3_next!;
const dense = smallest.qwen3_5!;
const moe = smallest.qwen3_5_moe!;

type Config = Record<string, unknown>;
const config = (from: string, changes: Config) =>
  spoiled(from, (at) => editConfig(at, (c) => Object.assign(c.text_config ?? c, changes)));
const [full, linear] = ["full_attention", "linear_attention"];

/** A base whose tensors are as its config says. */
const made = (from: string, changes: Config) =>
  spoiled(from, async (at) => {
    const sizes = await sizesOnly(basename(from));
    await makeRandomModel(at, { ...sizes, rms_norm_eps: 1e-6, ...changes });
  });

/** The base with another tensor, or with none, in place of a tensor. */
const tensor = (name: string, rows: number | null) =>
  spoiled(moe, async (at) => {
    const path = `${at}/model.safetensors`;
    const tensors = readTensors(path);
    const [old] = take(tensors, [name]);
    const [experts, all, ...rest] = old!.shape as [number, number, ...number[]];
    const bytes = old!.bytes.subarray(0, (old!.bytes.length / all) * (rows ?? 0));
    if (rows !== null) tensors.set(name, { ...old!, shape: [experts, rows, ...rest], bytes });
    writeTensors(path, tensors);
  });
const fused = "model.language_model.layers.1.mlp.experts.gate_up_proj";
const part = tensor(fused, 64);
const missing = tensor(fused, null);

describe("a hybrid of gated DeltaNet and attention", () => {
  test.each<readonly [what: string, base: Refusal["base"], code: string, says: RegExp]>([
    [
      "whose layers are of other kinds than its tensors",
      config(next, { full_attention_interval: 2 }),
      "BAD_CHECKPOINT",
      /"model.layers.1.self_attn.q_proj.weight" is missing: config.json/,
    ],
    [
      "whose layer types follow no interval",
      config(dense, { full_attention_interval: null, layer_types: [full, linear, full] }),
      "UNSUPPORTED_MODEL",
      /"layer_types" has "linear_attention" at layer 1, and the first full_attention at layer 0; mlx-lm computes only/,
    ],
    [
      "with a layer type that is not known",
      config(dense, { full_attention_interval: null, layer_types: [linear, linear, "mamba"] }),
      "UNSUPPORTED_MODEL",
      /"layer_types" has "mamba" at layer 2; mlx-lm computes only/,
    ],
    [
      "whose layer types have no full attention",
      config(dense, { full_attention_interval: null, layer_types: [linear, linear, linear] }),
      "UNSUPPORTED_MODEL",
      /"layer_types" has no full_attention in 3 layers; mlx-lm computes only/,
    ],
    [
      "whose dense layers are beyond its last",
      config(next, { mlp_only_layers: [1, 9] }),
      "BAD_CHECKPOINT",
      /"mlp_only_layers" is \[1,9\], but 9 is none of the 4 layers, which count from 0/,
    ],
    [
      "with a layer type too few",
      config(dense, { layer_types: [linear, linear] }),
      "BAD_CHECKPOINT",
      /"layer_types" should be a list of 3 kinds.*got a list of 2/,
    ],
    [
      "whose interval is not that of its layer types",
      config(dense, { full_attention_interval: 2 }),
      "BAD_CHECKPOINT",
      /full_attention_interval is 2, but layer_types says 3/,
    ],
    [
      "without full attention",
      config(next, { full_attention_interval: 9 }),
      "UNSUPPORTED_MODEL",
      /no layer of 4 has full attention/,
    ],
    [
      "with another number of value heads than its tensors",
      config(dense, { linear_num_value_heads: 6 }),
      "BAD_CHECKPOINT",
      /"model.language_model.layers.0.linear_attn.in_proj_qkv.weight" has shape \[256, 64\], but/,
    ],
    [
      "with another size of key heads than its tensors",
      config(next, { linear_key_head_dim: 64 }),
      "BAD_CHECKPOINT",
      /"model.layers.0.linear_attn.in_proj_qkvz.weight" has shape \[384, 64\], but/,
    ],
    [
      "with another number of experts than its tensors",
      config(moe, { num_experts: 9 }),
      "BAD_CHECKPOINT",
      /mlp.gate.weight" has shape \[8, 64\], but config.json gives \[9, 64\]/,
    ],
    [
      "that turns no pairs of channels",
      config(dense, { rope_parameters: { partial_rotary_factor: 0.1 } }),
      "BAD_CHECKPOINT",
      /"partial_rotary_factor" 0.1 of "head_dim" 32 gives 3 channels/,
    ],
    [
      "whose experts' weights mlx-lm would not normalize",
      config(moe, { norm_topk_prob: false }),
      "UNSUPPORTED_MODEL",
      /"norm_topk_prob" is false/,
    ],
    [
      "whose attention is not gated",
      config(next, { attn_output_gate: false }),
      "UNSUPPORTED_MODEL",
      /"attn_output_gate" is false; mlx-lm's "qwen3_next" computes only true/,
    ],
    [
      "of attention only",
      config(dense, { full_attention_interval: 1, layer_types: null }),
      "UNSUPPORTED_MODEL",
      /"full_attention_interval" is 1; mlx-lm's "qwen3_5_text" cannot generate/,
    ],
    [
      "whose convolution sees one token",
      config(next, { linear_conv_kernel_dim: 1 }),
      "UNSUPPORTED_MODEL",
      /"linear_conv_kernel_dim" is 1; mlx-lm's "qwen3_next" cannot generate/,
    ],
    [
      "without a mixture, with a number of experts",
      config(dense, { num_experts: 8 }),
      "UNSUPPORTED_MODEL",
      /"num_experts" is 8; mlx-lm's "qwen3_5_text" computes only 0/,
    ],
    [
      "with sections of positions that are none",
      config(moe, { rope_parameters: { rope_theta: 10_000, mrope_section: [11, 11] } }),
      "BAD_CHECKPOINT",
      /"mrope_section" should be a list of three sizes, got \[11,11\]/,
    ],
    [
      "whose value heads share no key heads evenly",
      made(next, { linear_num_key_heads: 2, linear_num_value_heads: 3 }),
      "BAD_CHECKPOINT",
      /"linear_num_value_heads" is 3, not a multiple of "linear_num_key_heads", 2/,
    ],
    [
      "whose queries share no keys evenly",
      made(dense, { num_attention_heads: 4, num_key_value_heads: 3 }),
      "BAD_CHECKPOINT",
      /"num_attention_heads" is 4, not a multiple of "num_key_value_heads", 3/,
    ],
    [
      "with a negative epsilon",
      config(next, { rms_norm_eps: -1 }),
      "BAD_CHECKPOINT",
      /"rms_norm_eps" should be a positive number, got -1/,
    ],
    [
      "with half of a fused tensor of experts",
      part,
      "BAD_CHECKPOINT",
      /experts.gate_up_proj" has shape \[8, 64, 64\], but config.json gives \[8, 128, 64\]/,
    ],
    [
      "without a fused tensor of experts",
      missing,
      "BAD_CHECKPOINT",
      /layers.1.mlp.experts.gate_up_proj" is missing/,
    ],
  ])("%s", async (_, base, code, says) => {
    // Rounding reads no forward pass: a config that contradicts itself is refused all the same.
    for (const args of [[], rounded]) await scene.expectRefused({ base, code, says, args });
    expect(scene.folder).not.toBe("");
  });
});
