import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { rewriteBase } from "./support/base-layouts.ts";
import { rounded, runCli } from "./support/cli-run.ts";
import { openBaseFolder } from "./support/converted.ts";
import { editConfig, removeFolder, scratchFolder, smallest } from "./support/models.ts";

/** The spellings in which the authors and others publish Qwen3.5. */
let scratch: string;
beforeAll(async () => {
  scratch = await scratchFolder();
});
afterAll(() => removeFolder(scratch));

/** The same base as its language model alone: a flat config, and names without the wrapper. */
async function alone(from: string, name: string): Promise<string> {
  const folder = rewriteBase(from, join(scratch, name), (tensors) => {
    for (const [name, tensor] of [...tensors]) {
      tensors.delete(name);
      tensors.set(name.replace("model.language_model.", "model."), tensor);
    }
  });
  await editConfig(folder, (config) => {
    const text = config.text_config as Record<string, unknown>;
    for (const key of Object.keys(config)) delete config[key];
    Object.assign(config, text, { architectures: ["Qwen3_5ForCausalLM"] });
  });
  return folder;
}

async function tierOf(base: string, name: string) {
  const out = join(scratch, name);
  const flags = ["--out", out, "--tiers", "oQ4e", ...rounded, "--json"];
  const { code, stdout, stderr } = await runCli(["quantize", base, ...flags]);
  expect(code, stderr).toBe(0);
  const [folder] = JSON.parse(stdout).folders as [string];
  const config = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
  return { config, weights: await readFile(join(folder, "model.safetensors")) };
}

test.each(["qwen3_5", "qwen3_5_moe"])(
  "a language model of %s alone gives the tier of the whole model",
  async (type) => {
    const whole = await tierOf(smallest[type]!, `${type}-whole`);
    const text = await tierOf(await alone(smallest[type]!, `${type}-base`), `${type}-alone`);
    expect(text.weights.equals(whole.weights)).toBe(true);
    expect(text.config.model_type).toBe(type);
    const { architectures: _, ...inner } = text.config.text_config;
    expect(inner).toEqual(whole.config.text_config);
    expect(text.config.quantization).toEqual(whole.config.quantization);
  },
);

test("a vision tower and prediction layers are carried in mlx-vlm's names", async () => {
  const floats = (...shape: number[]) => ({
    dtype: "BF16",
    shape,
    bytes: new Uint8Array(2 * shape.reduce((all, size) => all * size, 1)),
  });
  const base = rewriteBase(smallest.qwen3_5!, join(scratch, "vision"), (tensors) => {
    tensors.set("model.visual.patch_embed.proj.weight", floats(8, 3, 2, 4, 4));
    tensors.set("model.visual.merger.norm.weight", floats(8));
    tensors.set("model.visual.blocks.0.norm1.weight", floats(8));
    tensors.set("mtp.fc.weight", floats(64, 128));
    tensors.set("mtp.layers.0.mlp.up_proj.weight", floats(128, 64));
  });
  await editConfig(base, (config) => {
    config.vision_config = { depth: 1, in_channels: 3 };
    Object.assign(config.text_config as object, { mtp_num_hidden_layers: 1 });
  });
  const { carried, checkpoint } = await openBaseFolder(base);
  await checkpoint.close();
  expect(carried.map(({ part, name, shape }) => [part, name, shape])).toEqual([
    ["vision", "vision_tower.patch_embed.proj.weight", [8, 2, 4, 4, 3]],
    ["vision", "vision_tower.merger.norm.weight", [8]],
    ["vision", "vision_tower.blocks.0.norm1.weight", [8]],
    ["mtp", "mtp.fc.weight", [64, 128]],
    ["mtp", "mtp.layers.0.mlp.up_proj.weight", [128, 64]],
  ]);
});
