import { describe, expect, test } from "vitest";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { foldNested } from "./fold-nested.ts";

const fold = foldNested((config) => ({ config, assumed: ["seen"], warnings: [] }));

describe("a config inside another", () => {
  test("is folded, and the other is kept around it", () => {
    const vision_config = { depth: 2 };
    const text_config = { hidden_size: 64, dtype: "bfloat16" };
    const raw = { model_type: "outer", vision_config, tie_word_embeddings: true, text_config };
    expect(fold(raw)).toEqual({
      config: { hidden_size: 64, torch_dtype: "bfloat16", tie_word_embeddings: true },
      assumed: ["seen"],
      warnings: [],
      wrapper: {
        key: "text_config",
        config: { model_type: "outer", vision_config, tie_word_embeddings: true },
      },
    });
    expect(text_config).toEqual({ hidden_size: 64, dtype: "bfloat16" }); // not changed
  });

  test("has the dtype of the other if it names none", () => {
    const { config, wrapper } = fold({ dtype: "float16", text_config: { hidden_size: 64 } });
    expect(config.torch_dtype).toBe("float16");
    expect(wrapper?.config).toEqual({ torch_dtype: "float16" });
  });

  test.each<[config: ModelConfig, message: string]>([
    [{}, 'config.json has no "text_config", which holds the config of the language model'],
    [{ text_config: {} }, 'config.json has no "text_config", which holds the config'],
    [{ text_config: [1] }, '"text_config" should be an object'],
    [
      { tie_word_embeddings: false, text_config: { tie_word_embeddings: true } },
      '"tie_word_embeddings" outside of text_config says false',
    ],
    [
      { dtype: "float32", text_config: { torch_dtype: "bfloat16" } },
      '"torch_dtype" outside of text_config says "float32"',
    ],
  ])("refuses %j", (config, message) => {
    expect(() => fold(config)).toThrow(message);
  });
});
