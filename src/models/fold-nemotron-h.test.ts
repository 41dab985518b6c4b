import { describe, expect, test } from "vitest";
import { nemotron30b } from "../../test/support/nemotron-30b.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { foldNemotronH } from "./fold-nemotron-h.ts";

const fold = (change: ModelConfig) => foldNemotronH({ ...nemotron30b, ...change }).config;
const without = (...keys: string[]) =>
  Object.fromEntries(Object.entries(nemotron30b).filter(([key]) => !keys.includes(key)));

test("reads every spelling of a block's kind", () => {
  const kinds = ["mamba", "linear_attention", "attention", "full_attention", "moe", "mlp"];
  const base = without("hybrid_override_pattern", "num_hidden_layers");
  for (const key of ["layers_block_type", "layer_types"]) {
    const { config } = foldNemotronH({ ...base, [key]: kinds });
    expect(config).toMatchObject({ hybrid_override_pattern: "MM**E-", num_hidden_layers: 6 });
    expect(config).not.toHaveProperty(key);
  }
  expect(
    fold({ hybrid_override_pattern: ["M", "*"], layer_types: ["mamba", "attention"] }),
  ).toMatchObject({ hybrid_override_pattern: "M*" });
  expect(() => fold({ layers_block_type: ["conv2d"] })).toThrow(/"conv2d"; known are mamba/);
  expect(() => fold({ layers_block_type: "moe" })).toThrow(/should be a list, got "moe"/);
  expect(() => fold({ layers_block_type: ["moe"] })).toThrow(/hybrid_override_pattern is "MEM/);
});

test("reads transformers' other names", () => {
  const other = {
    num_local_experts: 4,
    mamba_n_groups: 2,
    mamba_d_conv: 3,
    mamba_dt_min: 0.01,
    mamba_conv_bias: false,
  };
  const base = without("n_routed_experts", "n_groups", "conv_kernel", "time_step_min");
  const { use_conv_bias: _, ...rest } = base;
  expect(foldNemotronH({ ...rest, ...other }).config).toMatchObject({
    n_routed_experts: 4,
    n_groups: 2,
    conv_kernel: 3,
    time_step_min: 0.01,
    use_conv_bias: false,
  });
  expect(() => fold({ num_local_experts: 4 })).toThrow(
    "n_routed_experts is 128, but num_local_experts says 4",
  );
});

test("writes out transformers' defaults where the config is silent", () => {
  const { config, assumed } = foldNemotronH({
    model_type: "nemotron_h",
    hidden_size: 64,
    vocab_size: 9,
    hybrid_override_pattern: "M*E",
  });
  expect(config).toMatchObject({
    num_hidden_layers: 3,
    intermediate_size: 21_504,
    max_position_embeddings: 4096,
    num_key_value_heads: 8,
    head_dim: 128,
    attention_bias: false,
    mlp_bias: false,
    use_bias: false,
    mamba_proj_bias: false,
    use_conv_bias: true,
    layer_norm_epsilon: 1e-5,
    time_step_min: 0.001,
    n_group: 1,
    topk_group: 1,
    norm_topk_prob: true,
    routed_scaling_factor: 1,
    n_shared_experts: 1,
    moe_latent_size: null,
  });
  expect(assumed).toContain("norm_topk_prob");
});

test("adds no MoE keys to a model without MoE blocks", () => {
  const keys = ["n_routed_experts", "norm_topk_prob", "n_group", "moe_intermediate_size"];
  const { config } = foldNemotronH({
    ...without(...keys, "num_hidden_layers"),
    hybrid_override_pattern: "M*-",
  });
  expect(keys.filter((key) => Object.hasOwn(config, key))).toEqual([]);
});

describe("null", () => {
  test("means what transformers makes of it", () => {
    expect(fold({ num_key_value_heads: null }).num_key_value_heads).toBe(32);
    expect(fold({ head_dim: null }).head_dim).toBe(84);
    expect(fold({ n_shared_experts: null }).n_shared_experts).toBeNull();
    expect(fold({ norm_topk_prob: null }).norm_topk_prob).toBe(true);
  });
});

test("follows transformers where mlx-lm reads another key", () => {
  expect(fold({ use_bias: true, mamba_proj_bias: false }).mamba_proj_bias).toBe(true);
  expect(fold({ use_bias: false, mamba_proj_bias: true }).mamba_proj_bias).toBe(false);
  expect(fold({ tie_word_embeddings: true }).tie_word_embeddings).toBe(false);
});

describe("the size of an attention head", () => {
  const base = without("head_dim");
  test("is also read under its older name", () => {
    const { config, assumed } = foldNemotronH({ ...base, attention_head_dim: 96 });
    expect(config.head_dim).toBe(96);
    expect(assumed).not.toContain("head_dim");
  });

  test("is transformers' own default, not a share of the hidden size", () => {
    expect(foldNemotronH(base).config.head_dim).toBe(128); // hidden 2688, 32 heads
  });

  test("under the newer name counts", () => {
    expect(foldNemotronH({ ...base, head_dim: 64, attention_head_dim: 96 }).config.head_dim).toBe(
      64,
    );
  });
});

test("takes a list of equal MLP sizes as one, and refuses others", () => {
  expect(fold({ intermediate_size: [64, 64] }).intermediate_size).toBe(64);
  expect(fold({ intermediate_size: [64] }).intermediate_size).toBe(64);
  const refused = /"intermediate_size" is \[.*\]; mlx-lm's "nemotron_h" has one size/;
  expect(() => fold({ intermediate_size: [64, 128] })).toThrow(refused);
  expect(() => fold({ intermediate_size: [] })).toThrow(refused);
});

test("refuses what mlx-lm can load but not run", () => {
  const pattern = (letters: string) => () =>
    foldNemotronH({ ...without("num_hidden_layers"), hybrid_override_pattern: letters });
  expect(pattern("MEM-")).toThrow(/"MEM-" has no attention block/);
  expect(pattern("*E")).toThrow(/"\*E" has no Mamba block/);
  expect(pattern("E*M")).not.toThrow();
});

test("refuses what mlx-lm computes otherwise", () => {
  const refusal = (change: ModelConfig) => () => fold(change);
  expect(refusal({ mlp_hidden_act: "silu" })).toThrow(
    `config.json: "mlp_hidden_act" is "silu"; mlx-lm's "nemotron_h" computes only "relu2"`,
  );
  expect(refusal({ mamba_hidden_act: "gelu" })).toThrow(/"mamba_hidden_act" is "gelu"/);
  expect(refusal({ num_experts_per_tok: 1 })).toThrow(/weight of a single expert/);
  expect(refusal({ num_experts_per_tok: 1, norm_topk_prob: false })).not.toThrow();
  expect(refusal({ mlp_hidden_act: "silu" })).toThrow(
    expect.objectContaining({ code: "UNSUPPORTED_MODEL" }),
  );
});
