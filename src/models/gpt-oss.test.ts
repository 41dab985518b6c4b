import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import {
  copyModel,
  editConfig,
  editSafetensors,
  removeFolder,
  smallest,
} from "../../test/support/models.ts";
import { readBase } from "../base/base.ts";
import { cacheOf } from "../base/cache-facts.ts";
import { openFolder } from "../checkpoint/folder.ts";

const folders: string[] = [];
let folder: string;
beforeEach(async () => {
  folder = await copyModel(smallest.gpt_oss!);
  folders.push(folder);
});
afterAll(() => Promise.all(folders.map((one) => removeFolder(join(one, "..")))));

const open = async () => {
  const base = await readBase(await openFolder(folder), { allowHeaderOnly: false });
  await base.checkpoint.close();
  base.architecture.forward.check(base.config);
  return base;
};

/** Gives another name to a tensor, so that it is missing. */
const hide = (suffix: string) =>
  editSafetensors(folder, (header) => {
    for (const name of Object.keys(header)) {
      if (!name.endsWith(suffix)) continue;
      header[name.replace(suffix, "lost")] = header[name]!;
      delete header[name];
    }
  });

describe("a config that makes no sense is refused", () => {
  test.each([
    [
      "a window of 0",
      { sliding_window: 0 },
      '"sliding_window" should be a positive integer, got 0',
    ],
    ["no window", { sliding_window: null }, '"sliding_window" should be a positive integer'],
    ["too few layer types", { layer_types: ["full_attention"] }, "got 1 entries"],
    ["unknown layer types", { layer_types: ["full_attention", "ring"] }, 'got "ring" at layer 1'],
    ["layers that it lacks", { num_hidden_layers: 3 }, 'layers of "num_hidden_layers"'],
    [
      "smaller experts",
      { intermediate_size: 256 },
      'gate_up_proj_blocks" of shape [8, 256, 4, 16] holds values of shape [8, 128, 256], but ' +
        "config.json gives [8, 128, 512]",
    ],
    ["fewer experts", { num_local_experts: 4 }, "config.json gives [4"],
    ["more experts", { num_local_experts: 16 }, "config.json gives [16"],
  ])("%s", async (_, change, message) => {
    await editConfig(folder, (config) => Object.assign(config, change));
    const error = await open().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "BAD_CHECKPOINT" });
    expect((error as Error).message).toContain(message);
  });

  test.each([
    ["one kind of attention", { layer_types: ["full_attention", "full_attention"] }],
    ["another clamp", { swiglu_limit: 5.5 }],
    ["a tied head", { tie_word_embeddings: true }],
    ["no biases", { attention_bias: false }],
  ])("%s, which mlx-lm does not have", async (_, change) => {
    await editConfig(folder, (config) => Object.assign(config, change));
    await expect(open()).rejects.toMatchObject({ code: "UNSUPPORTED_MODEL" });
  });
});

test.each([
  ["self_attn.sinks", "sinks"],
  ["gate_up_proj_scales", "gate_up_proj"],
  ["down_proj_blocks", "down_proj"],
])("a checkpoint without %s is refused by name", async (suffix, named) => {
  await hide(suffix);
  await expect(open()).rejects.toThrow(named);
});

test("codes that nothing declares are refused with the declaration that they need", async () => {
  await editConfig(folder, (config) => delete config.quantization_config);
  await expect(open()).rejects.toMatchObject({
    code: "ALREADY_QUANTIZED",
    message: expect.stringMatching(
      /_blocks" has dtype U8, but config\.json has no "quantization_co/,
    ),
    hint: expect.stringContaining('it should be {"quant_method": "mxfp4"}'),
  });
});

test("is opened with its window in the cache, and a warning of what mlx-lm rounds", async () => {
  const { config } = await open();
  expect(config.rope_scaling).not.toHaveProperty("truncate");
  await editConfig(folder, (own) => {
    Object.assign(own.rope_scaling as object, { truncate: false });
  });
  const base = await open();
  expect(base.config.rope_scaling).toHaveProperty("truncate", false);
  expect(base.warnings.join()).toContain("mlx-lm rounds the range of channels");
  // 2 heads of 32 channels in BF16, keys and values: one layer of 8 tokens, and one of all.
  expect(cacheOf(base)).toEqual({ perToken: 2 * 64 * 2, fixed: 8 * 2 * 64 * 2 });
});
