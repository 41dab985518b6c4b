import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { rewriteBase } from "./support/base-layouts.ts";
import { rounded, runCli } from "./support/cli-run.ts";
import { openBaseFolder } from "./support/converted.ts";
import { editConfig, removeFolder, scratchFolder, smallest } from "./support/models.ts";
import { visionBase } from "./support/towers.ts";

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
  const { carried, checkpoint } = await openBaseFolder(visionBase(join(scratch, "vision")));
  await checkpoint.close();
  const named = new Map(carried.map(({ part, name, shape }) => [name, { part, shape }]));
  const patches = named.get("vision_tower.patch_embed.proj.weight");
  expect(patches).toEqual({ part: "vision", shape: [64, 2, 4, 4, 3] });
  expect(named.get("vision_tower.merger.norm.weight")).toEqual({ part: "vision", shape: [64] });
  expect(named.get("mtp.fc.weight")).toEqual({ part: "mtp", shape: [64, 128] });
  const others = [...named.keys()].filter((name) => !/^(vision_tower|mtp)\./.test(name));
  expect(others).toEqual([]);
});
