import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { parseJson } from "../checkpoint/json.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { architectures, findArchitecture } from "./registry.ts";

const models = fileURLToPath(new URL("../../test/models/random-tiny/", import.meta.url));
const fold = (config: ModelConfig) => findArchitecture(config).fold(config);
const read = async (type: string, file: string) =>
  parseJson(await readFile(join(models, type, file), "utf8"), file) as ModelConfig;

/** What a config cannot leave out: sizes without a default that any model has. */
const sizes = { hidden_size: 128, vocab_size: 384, num_hidden_layers: 4 };

describe.each([...new Set(architectures.map(({ modelType }) => modelType))])("%s", (type) => {
  test("published by transformers 4 and by 5 is the same folded config", async () => {
    const older = await read(type, "config.json");
    const newer = await read(type, "config.transformers5.json.txt");
    const [v4, v5] = [older, newer].map((raw) => raw.transformers_version);
    expect([v4, v5]).toEqual(["4.55.4", "5.24.0"]);
    const [old, folded] = [older, newer].map((raw) => {
      const { transformers_version: _, ...config } = fold(raw).config;
      return config;
    });
    expect(folded).toEqual(old);
  });

  test("is not changed: folding returns a copy, and a second time changes nothing", async () => {
    const raw = await read(type, "config.transformers5.json.txt");
    const copy = structuredClone(raw);
    const { config } = fold(raw);
    expect(raw).toEqual(copy);
    expect(fold(config)).toMatchObject({ config, assumed: [] });
  });

  test("with only sizes gets every default, and lists them", () => {
    const raw = {
      model_type: type,
      ...sizes,
      num_attention_heads: 4,
      hybrid_override_pattern: "ME*E",
    };
    const { config, assumed } = fold(raw);
    const added = Object.keys(config).filter((key) => !Object.hasOwn(raw, key));
    const silent = ["tie_word_embeddings", "mamba_proj_bias", "layer_types", "rope_parameters"];
    expect(
      added.filter(
        (key) => !assumed.includes(key) && !silent.includes(key) && config[key] !== null,
      ),
    ).toEqual([]);
    expect(assumed.filter((key) => config[key] === undefined)).toEqual([]);
    expect(assumed.length).toBeGreaterThan(8);
  });
});

test("two names of one key may say the same, and null says nothing", () => {
  const type = { model_type: "llama", ...sizes };
  expect(fold({ ...type, dtype: "float16", torch_dtype: "float16" }).config.torch_dtype).toBe(
    "float16",
  );
  const { config } = fold({ ...type, dtype: null, torch_dtype: "float16" });
  expect(config.torch_dtype).toBe("float16");
  expect(config).not.toHaveProperty("dtype");
  expect(() => fold({ ...type, dtype: "float32", torch_dtype: "float16" })).toThrow(
    'config.json: torch_dtype is "float16", but dtype says "float32"',
  );
});
