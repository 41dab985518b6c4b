import { describe, expect, test } from "vitest";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { qwen3_5 } from "./qwen3-5.ts";
import { qwen3_5Moe } from "./qwen3-5-moe.ts";

const sizes = { hidden_size: 64, vocab_size: 384, num_hidden_layers: 4 };
const nested = (text: ModelConfig, outer: ModelConfig = {}) =>
  qwen3_5.fold({ model_type: "qwen3_5", ...outer, text_config: { ...sizes, ...text } });

describe("what mlx-lm and mlx-vlm would take otherwise than transformers is written out", () => {
  test("the sections of the rotary embedding", () => {
    const { rope_parameters: usual } = nested({}).config;
    expect(usual).toEqual({
      rope_type: "default",
      rope_theta: 10_000,
      partial_rotary_factor: 0.25,
      mrope_section: [11, 11, 10],
    });
    const rope_parameters = { rope_theta: 5e6, mrope_section: [2, 1, 1], mrope_interleaved: true };
    expect(nested({ rope_parameters }).config.rope_parameters).toEqual({
      ...rope_parameters,
      rope_type: "default",
      partial_rotary_factor: 0.25,
    });
  });

  test("a tower and the tokens around a picture", () => {
    const vision_config = { hidden_size: 64, depth: 2, spatial_merge_size: null };
    const { wrapper } = nested({}, { vision_config, image_token_id: 380 });
    // transformers' Qwen3_5VisionConfig and Qwen3_5Config; mlx-vlm's own are others
    expect(wrapper?.config).toEqual({
      model_type: "qwen3_5",
      image_token_id: 380,
      video_token_id: 248_057,
      vision_start_token_id: 248_053,
      vision_end_token_id: 248_054,
      vision_config: {
        depth: 2,
        hidden_size: 64,
        intermediate_size: 4304,
        num_heads: 16,
        in_channels: 3,
        patch_size: 16,
        spatial_merge_size: 2,
        temporal_patch_size: 2,
        out_hidden_size: 3584,
        num_position_embeddings: 2304,
      },
    });
    expect(nested({}).wrapper?.config).toEqual({ model_type: "qwen3_5" });
  });

  test("that there are no experts", () => {
    expect(nested({ num_experts: null }).config).not.toHaveProperty("num_experts");
    expect(nested({ num_experts: 0 }).config.num_experts).toBe(0);
    expect(() => nested({ num_experts: 8 })).toThrow('"num_experts" is 8');
    const raw = { model_type: "qwen3_5_moe", text_config: { ...sizes, num_experts: null } };
    expect(qwen3_5Moe.fold(raw).config.num_experts).toBe(256);
  });
});

test("a scaled rotary embedding is warned of where mlx-vlm would read the tower", () => {
  const rope_parameters = { rope_type: "linear", factor: 4, rope_theta: 10_000 };
  const vision_config = { depth: 2 };
  expect(nested({ rope_parameters }).warnings).toEqual([]);
  expect(nested({}, { vision_config }).warnings).toEqual([]);
  expect(nested({ rope_parameters }, { vision_config }).warnings).toEqual([
    'config.json: the rotary embedding has type "linear", which mlx-lm computes; mlx-vlm ' +
      "ignores it, so there base and tiers give other logits",
  ]);
});
