import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ModelConfig } from "../src/checkpoint/model-config.ts";
import { openKernel } from "../src/kernel/pool.ts";
import { architectures } from "../src/models/registry.ts";
import { findPython, runMlx } from "./python/python.ts";
import { convertUnquantized } from "./support/converted.ts";
import { difference, openBase, readNpy, run, someIds } from "./support/forward-run.ts";
import { removeFolder, scratchFolder } from "./support/models.ts";
import { makeRandomModel, sizesOnly } from "./support/random-model.ts";
import { writtenConfigText } from "./support/written-config.ts";

const script = fileURLToPath(new URL("./python/mlx_forward.py", import.meta.url));
const python = findPython("mlx_lm");
const absent = "path" in python ? null : python.reason;
const kernel = await openKernel({ workers: 2 });
afterAll(() => kernel.close());

/** More positions than the scaled rotary embeddings were pretrained on. */
const length = 150;
const ids = someIds(length, 300);

const linear = { rope_type: "linear", factor: 2 };
const l3 = { rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4 };
const yarn = { rope_type: "yarn", factor: 4 };
const original = { original_max_position_embeddings: 64 };

/** Spellings in the base's config, added to the sizes. */
const spellings: Readonly<Record<string, ModelConfig>> = {
  "llama: theta inside rope_scaling": {
    rope_scaling: { rope_type: "default", rope_theta: 5e5 },
  },
  "llama: theta inside llama3, positions outside": {
    rope_scaling: { ...l3, rope_theta: 5e5 },
    ...original,
  },
  "llama: both objects": {
    rope_scaling: { type: "linear", factor: 2 },
    rope_parameters: { ...linear, rope_theta: 10_000 },
  },
  "llama: dynamic below its limit": { rope_scaling: { type: "dynamic", factor: 2 } },
  "llama: dynamic beyond its limit": {
    rope_parameters: { rope_type: "dynamic", factor: 2 },
    max_position_embeddings: 64,
  },
  "llama: yarn with positions outside": { rope_scaling: yarn, ...original },
  "llama: yarn with positions nowhere": { rope_scaling: yarn, max_position_embeddings: 64 },
  "llama: yarn with an attention factor": {
    rope_scaling: { ...yarn, ...original, attention_factor: 0.8 },
  },
  "llama: yarn with one mscale": { rope_scaling: { ...yarn, ...original, mscale: 0.7 } },
  "llama: yarn with both mscales": {
    rope_scaling: { ...yarn, ...original, mscale: 2, mscale_all_dim: 0.5 },
  },
  "qwen3: rope by kind of layer": {
    rope_parameters: { full_attention: { ...yarn, ...original, rope_theta: 1e6 } },
  },
  "qwen2: yarn with positions nowhere": { rope_scaling: yarn, max_position_embeddings: 64 },
  "mistral: dynamic beyond its limit, no window": {
    rope_scaling: { type: "dynamic", factor: 4 },
    max_position_embeddings: 100,
    sliding_window: null,
  },
};

describe.skipIf(absent !== null)(`stock mlx-lm${absent === null ? "" : ` (${absent})`}`, () => {
  let scratch: string;
  const cases = new Map<string, { base: string; written: string }>();
  const outOf = (name: string) => join(scratch, `${name.replaceAll(/\W+/g, "-")}.out`);

  /**
   * Makes a base whose config has sizes and `change`, and its weights beside the written config.
   */
  async function add(name: string, modelType: string, change: ModelConfig): Promise<void> {
    const place = join(scratch, name.replaceAll(/\W+/g, "-"));
    const [base, written] = [join(place, "base"), join(place, "written")];
    await makeRandomModel(base, { ...(await sizesOnly(modelType)), ...change });
    await mkdir(written);
    const readable = modelType === "gpt_oss" ? await convertUnquantized(base, kernel) : base;
    await copyFile(join(readable, "model.safetensors"), join(written, "model.safetensors"));
    const { architecture, config, wrapper, close } = await openBase(base, kernel);
    await close();
    await writeFile(join(written, "config.json"), writtenConfigText(architecture, config, wrapper));
    cases.set(name, { base, written });
  }

  // mlx-lm has no `truncate: false`, which is the default of gpt_oss.
  const apart: Readonly<Record<string, ModelConfig>> = {
    gpt_oss: { rope_parameters: { rope_type: "yarn", factor: 32, ...original, rope_theta: 1e4 } },
  };
  const types = new Set(architectures.map(({ modelType }) => modelType));
  const defaults = [...types].map((type) => `${type}: sizes only`);

  beforeAll(async () => {
    scratch = await scratchFolder();
    for (const name of defaults) {
      const modelType = name.split(":")[0]!;
      await add(name, modelType, apart[modelType] ?? {});
    }
    for (const [name, change] of Object.entries(spellings))
      await add(name, name.split(":")[0]!, change);
    const tasks = [...cases].map(([name, { written }]) => {
      return { model: written, ids: [[...ids]], out: outOf(name) };
    });
    await writeFile(join(scratch, "tasks.json"), JSON.stringify(tasks));
    if (!("path" in python)) throw new Error(python.reason);
    await runMlx(python.path, [script, join(scratch, "tasks.json")]);
  });
  afterAll(() => removeFolder(scratch));

  test.each([...defaults, ...Object.keys(spellings)])(
    "computes our logits from the written config: %s",
    async (name) => {
      const model = await openBase(cases.get(name)!.base, kernel);
      const { logits, vocabulary } = await run(model, ids, length);
      await model.close();
      const theirs = readNpy(`${outOf(name)}.logits.npy`, Float32Array);
      const gap = difference(logits, theirs, vocabulary);
      expect(gap.relative, gap.text).toBeLessThan(1e-5);
    },
  );
});
