import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readBase } from "../src/base/base.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import { rounded, runCli } from "./support/cli-run.ts";
import { folderHashes } from "./support/folder-hashes.ts";
import { removeFolder, scratchFolder, smallest } from "./support/models.ts";
import { wrapInOmni } from "./support/omni.ts";

const language = smallest["nemotron_h.latent"]!;
let scratch: string;
beforeAll(async () => {
  scratch = await scratchFolder();
});
afterAll(() => removeFolder(scratch));

async function quantize(base: string, name: string): Promise<string> {
  const out = join(scratch, name);
  const flags = [...rounded, "--tiers", "oQ4e"];
  const { code, stderr } = await runCli(["quantize", base, "--out", out, ...flags]);
  expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
  const [tier] = await readdir(out);
  return join(out, tier!);
}

describe("a Nemotron-H with towers", () => {
  let base: string;
  beforeAll(() => {
    base = wrapInOmni(language, join(scratch, "base"));
  });

  test("gives the tier of its language model, which stock mlx-lm loads", async () => {
    const [own, plain] = [await quantize(base, "own"), await quantize(language, "plain")];
    const [ours, theirs] = [await folderHashes(own), await folderHashes(plain)];
    for (const file of ["model.safetensors", "config.json", "model.safetensors.index.json"])
      expect(ours[file], file).toBe(theirs[file]);
    expect(JSON.parse(await readFile(join(own, "config.json"), "utf8"))).toMatchObject({
      model_type: "nemotron_h",
      architectures: ["NemotronHForCausalLM"],
    });
    const few = ["--evaluation-samples", "1"];
    const { code, stdout, stderr } = await runCli(["verify", own, "--base", base, ...few]);
    expect(code, stdout + stderr).toBe(0);
  });

  test("says that the tiers have no towers", async () => {
    const { warnings, architecture, checkpoint } = await open(base);
    await checkpoint.close();
    expect(warnings.join()).toMatch(/the tiers are the language model alone/);
    expect(architecture).toMatchObject({ modelType: "nemotron_h", label: "Nemotron-H Omni" });
  });

  const open = async (folder: string) =>
    readBase(await openFolder(folder), { allowHeaderOnly: false });

  test.each([
    ["text_config", "nemotron_h_omni"],
    ["llm_config", "NemotronH_Nano_VL_V2"],
  ])("may have its language model under %s and be a %s", async (key, type) => {
    const folder = wrapInOmni(language, join(scratch, type), (config) => {
      const { llm_config } = config;
      delete config.llm_config;
      Object.assign(config, { [key]: llm_config, model_type: type });
    });
    const { config, checkpoint } = await open(folder);
    await checkpoint.close();
    expect(config).toMatchObject({ model_type: "nemotron_h", moe_latent_size: 64 });
  });

  test.each([
    ["without the config of its language model", "BAD_CHECKPOINT", /no "text_config"/, undefined],
    [
      "with another language model",
      "UNSUPPORTED_MODEL",
      /"model_type" in "llm_config" is "qwen2"/,
      { model_type: "qwen2" },
    ],
    [
      "whose two dtypes contradict each other",
      "BAD_CHECKPOINT",
      /torch_dtype is "float16", but "torch_dtype" outside of llm_config says "bfloat16"/,
      { torch_dtype: "float16" },
    ],
  ])("is refused %s", async (what, code, message, llm_config) => {
    const folder = wrapInOmni(language, join(scratch, what), (config) => {
      if (llm_config === undefined) delete config.llm_config;
      else Object.assign(config.llm_config as object, llm_config);
    });
    await expect(open(folder)).rejects.toMatchObject({ code });
    await expect(open(folder)).rejects.toThrow(message);
  });

  test("is refused with a tensor that is neither language model nor tower", async () => {
    const folder = wrapInOmni(language, join(scratch, "more"), (_, tensors) => {
      tensors.set("action_head.weight", tensors.get("mlp1.1.weight")!);
    });
    await expect(open(folder)).rejects.toThrow(/"action_head.weight" is named by no role/);
  });
});
