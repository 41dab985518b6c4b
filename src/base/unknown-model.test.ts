import { describe, expect, test } from "vitest";
import type { CheckpointTensor } from "../checkpoint/checkpoint.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { architectures } from "../models/registry.ts";
import { architectureOf } from "./unknown-model.ts";

const inBlock = (layer: number, names: readonly string[]) =>
  names.map((name) => `model.layers.${layer}.${name}.weight`);
const attention = ["q_proj", "k_proj", "v_proj", "o_proj"].map((name) => `self_attn.${name}`);
const norms = ["input_layernorm", "post_attention_layernorm"];
const mlp = ["gate_proj", "up_proj", "down_proj"];

/** The architecture of a checkpoint with these names in its blocks, or the message. */
function found(config: ModelConfig, blocks: readonly (readonly string[])[]): string {
  const outer = ["model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"];
  const names = [...outer, ...blocks.flatMap((block, layer) => inBlock(layer, block))];
  const tensors = new Map(names.map((name) => [name, {} as CheckpointTensor]));
  try {
    return architectureOf({ config, tensors }, architectures).modelType;
  } catch (error) {
    return (error as Error).message;
  }
}

const dense = [...norms, ...attention, ...mlp.map((name) => `mlp.${name}`)];

describe("a model_type that is not supported", () => {
  test("is refused with the nearest one, and what differs", () => {
    const sandwich = [...dense, "pre_feedforward_layernorm", "post_feedforward_layernorm"];
    const config = { model_type: "gemma7", final_logit_softcapping: 30, sliding_window: null };
    const message = found(config, [sandwich, sandwich]);
    expect(message).toContain('model_type "gemma7" is not supported. Nearest is "llama" (Llama)');
    expect(message).toContain("which has 12 of the 14 names of tensors here");
    expect(message).toContain(
      "It does not know model.layers.*.post_feedforward_layernorm.weight, " +
        "model.layers.*.pre_feedforward_layernorm.weight. " +
        "config.json also has final_logit_softcapping (a soft cap of logits). Supported are ",
    );
  });

  test.each(["text_config", "llm_config"])("is described by its %s too", (key) => {
    const inner = { kv_lora_rank: 512, final_logit_softcapping: 30, sliding_window: null };
    expect(found({ model_type: "seen", [key]: inner, vision_config: {} }, [dense])).toContain(
      "config.json also has final_logit_softcapping (a soft cap of logits), kv_lora_rank (latent " +
        `attention), ${key} (a text model inside another), vision_config (a vision tower).`,
    );
  });

  test("is compared with what the nearest one needs in every block", () => {
    const experts = mlp.map((name) => `mlp.experts.11.${name}`);
    const block = [...norms, ...attention, "self_attn.q_norm", "mlp.gate", ...experts];
    const message = found({ model_type: "other_moe", n_shared_experts: 1 }, [block]);
    expect(message).toContain('Nearest is "qwen3_moe" (Qwen3 MoE), which has 14 of the 14 names');
    expect(message).toContain(
      "It needs, and this checkpoint lacks, model.layers.*.self_attn.k_norm.weight. " +
        "config.json also has n_shared_experts (shared experts).",
    );
  });

  test("is refused with the supported ones alone where no other is near", () => {
    const blocks = [["conv.in", "conv.out", "mix", "gate", "scale", "time.a", "time.b", "x", "y"]];
    expect(found({ model_type: "retnet" }, blocks)).toMatch(
      /^config.json: model_type "retnet" is not supported; supported are nemotron_h, llama, /,
    );
    expect(found({}, [dense])).toMatch(/^config.json: model_type is missing, it is not supported/);
  });

  test("may have any name of tensors", () => {
    const odd = `mlp.\u001b[31m${"x".repeat(300)}`;
    const message = found({ model_type: "odd" }, [[...dense, odd]]);
    expect(message).not.toContain("\u001b");
    expect(message.length).toBeLessThan(700);
  });
});

test("a supported model_type is found by its name alone", () => {
  expect(found({ model_type: "qwen3" }, [])).toBe("qwen3");
});
