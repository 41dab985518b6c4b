import { describe, expect, test } from "vitest";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { Architecture, Role } from "./architecture.ts";
import { expand, expandTable } from "./expand.ts";
import { llama } from "./llama.ts";
import { qwen3Moe } from "./qwen3-moe.ts";
import { wholeTensor } from "./source.ts";
import {
  cutInto,
  evenRows,
  firstHalf,
  range,
  secondHalf,
  sliceOfStack,
  type Transform,
} from "./transforms.ts";

describe("a base tensor that a transform does not fit", () => {
  test.each<readonly [string, Transform, string]>([
    ["halves of an odd number of rows", firstHalf, "cannot be cut in half"],
    ["every second of an odd number of rows", evenRows, "cannot be cut in half"],
    ["heads that do not fill the rows", cutInto(3), "cannot be cut into 3 equal parts"],
    ["rows behind the last", range(5, 3), "has no 3 entries from 5 on"],
  ])("%s is refused by name", (_, transform, problem) => {
    const source = wholeTensor("model.fused", [7, 4]);
    expect(() => transform(source, 0)).toThrow(
      expect.objectContaining({
        code: "BAD_CHECKPOINT",
        message: expect.stringMatching(`"model.fused": its part of shape \\[7, 4\\] ${problem}`),
      }),
    );
  });
});

const raw: ModelConfig = {
  model_type: "qwen3_moe",
  num_hidden_layers: 1,
  hidden_size: 8,
  intermediate_size: 8,
  moe_intermediate_size: 6,
  num_experts: 4,
  num_experts_per_tok: 2,
  vocab_size: 16,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  head_dim: 4,
};
const { config } = qwen3Moe.fold(raw);

/** Qwen3 MoE whose experts' gate and up lie in one stacked tensor `[experts, 2 × size, hidden]`. */
function fused(steps: Readonly<Record<string, readonly Transform[]>>): Architecture {
  const refit = (role: Role): Role => {
    const from = steps[role.role];
    if (from === undefined) return role;
    const base = "model.layers.{i}.mlp.experts.gate_up_proj";
    return { ...role, base, shape: () => [4, 12, 8], from: () => from };
  };
  return { ...qwen3Moe, roles: (kind) => qwen3Moe.roles(kind).map(refit) };
}

/** The base tensors that an architecture's table promises. */
function promised(architecture: Architecture) {
  const sources = expandTable(architecture, config).flatMap((output) => output.sources);
  return new Map(sources.map(({ tensor, base }) => [tensor, { dtype: "BF16", shape: base }]));
}

describe("a role table with a fused, stacked base tensor", () => {
  const whole = fused({
    "experts.gate": [sliceOfStack, firstHalf],
    "experts.up": [sliceOfStack, secondHalf],
  });

  test("gives the shapes of the MLX tensors, one source an expert", () => {
    const outputs = expand(whole, config, promised(whole));
    for (const name of ["gate", "up"]) {
      const output = outputs.find(({ role }) => role.role === `experts.${name}`)!;
      expect(output.shape).toEqual([4, 6, 8]);
      expect(output.sources.map(({ offset }) => offset)).toEqual(
        [0, 96, 192, 288].map((at) => at + (name === "up" ? 48 : 0)),
      );
    }
  });

  test.each([
    ["a half that no role reads", { "experts.gate": [sliceOfStack, firstHalf] }, 192],
    [
      "a stack without its slices",
      { "experts.gate": [firstHalf], "experts.up": [secondHalf] },
      4 * 384,
    ],
    [
      "a half that is read twice",
      { "experts.gate": [sliceOfStack, firstHalf], "experts.up": [sliceOfStack] },
      192 + 384,
    ],
  ])("%s is refused by name and number", (_, steps, used) => {
    const architecture = fused(steps);
    expect(() => expand(architecture, config, promised(architecture))).toThrow(
      expect.objectContaining({
        code: "UNSUPPORTED_MODEL",
        message: expect.stringContaining(
          `gate_up_proj" has 384 values, but ${used} are used by the roles`,
        ),
      }),
    );
  });

  test("another shape in the base is refused", () => {
    const name = "model.layers.0.mlp.experts.gate_up_proj";
    const base = promised(whole).set(name, { dtype: "BF16", shape: [4, 8, 12] });
    expect(() => expand(whole, config, base)).toThrow(
      `tensor "${name}" has shape [4, 8, 12], but config.json gives [4, 12, 8]`,
    );
  });

  test("billions of experts are refused before they are listed", () => {
    const stacked = fused({
      "experts.gate": [sliceOfStack, firstHalf],
      "experts.up": [sliceOfStack, secondHalf],
      "experts.down": [sliceOfStack],
    });
    expect(() => expand(stacked, { ...config, num_experts: 2 ** 40 }, promised(whole))).toThrow(
      expect.objectContaining({ code: "BAD_CHECKPOINT" }),
    );
  });
});

test("a tensor without transforms is its base tensor", () => {
  for (const { sources, shape } of expandTable(
    llama,
    llama.fold({ ...raw, model_type: "llama" }).config,
  )) {
    const [source] = sources;
    expect(source).toEqual(wholeTensor(source!.tensor, shape));
  }
});
