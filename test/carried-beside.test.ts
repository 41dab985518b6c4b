import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Tensors } from "./support/base-layouts.ts";
import { baseFolders, openBase } from "./support/base-scene.ts";
import { editConfig, smallest } from "./support/models.ts";
import { wrapInOmni } from "./support/omni.ts";
import { readTensors, writeTensors } from "./support/safetensors.ts";
import { splitOff, visionBase } from "./support/towers.ts";

/** What readers of a tower or of MTP need beside its tensors: a place, a processor, tokens. */

const newFolder = baseFolders();
const isMtp = (name: string) => name.startsWith("mtp.");

const extra = "model_extra.safetensors";
/** A base whose MTP lies in that file. `index`: whether there is one that names it. */
const splitMtp = (index: "named" | "unnamed" | "none") => {
  const folder = visionBase(newFolder());
  const own: Tensors = new Map();
  const move = (tensors: Tensors) => {
    for (const [one, tensor] of tensors) if (isMtp(one)) own.set(one, tensor);
    for (const one of own.keys()) tensors.delete(one);
    if (index === "named") for (const one of own.keys()) more[one] = extra;
  };
  const more: Record<string, string> = {};
  if (index !== "none") splitOff(folder, move, more);
  else {
    const path = join(folder, "model.safetensors");
    const tensors = readTensors(path);
    move(tensors);
    writeTensors(path, tensors);
  }
  writeTensors(join(folder, extra), own);
  return { folder, own };
};

describe("MTP in model_extra.safetensors", () => {
  test.each(["unnamed", "none"] as const)("is found by its content: index %s", async (index) => {
    const { folder } = splitMtp(index);
    await expect(openBase(folder)).rejects.toMatchObject({
      code: "BAD_CHECKPOINT",
      message: expect.stringMatching(
        /has "model_extra\.safetensors" with tensor "mtp\.[\w.]+", .*mlx-lm would load it with/,
      ),
      hint: expect.stringContaining("call it mtp.safetensors"),
    });
  });

  test("is carried where the index names it", async () => {
    const { folder, own } = splitMtp("named");
    const { carried } = await openBase(folder);
    const names = carried.filter(({ part }) => part === "mtp").map((one) => one.name);
    expect(names.toSorted()).toEqual([...own.keys()].toSorted());
  });
});

describe("a processor and the tokens of a tower", () => {
  test("a base with a tower and no file of a processor is taken with a warning", async () => {
    const folder = visionBase(newFolder());
    expect((await openBase(folder)).warnings).toEqual([]);
    rmSync(join(folder, "preprocessor_config.json"));
    const warning = expect.stringMatching(
      /^the base has a tower, but neither preprocessor_config\.json nor processor_config\.json: mlx-vlm/,
    );
    expect((await openBase(folder)).warnings).toEqual([warning]);
    expect((await openBase(folder, { carry: ["mtp"] })).warnings).toEqual([]);
    writeFileSync(join(folder, "processor_config.json"), "{}");
    expect((await openBase(folder)).warnings).toEqual([]);
  });

  test.each<[key: string, value: unknown, got: string]>([
    ["image_token_id", 99_999, "99999"],
    ["video_token_id", 384, "384"],
    ["vision_start_token_id", -1, "-1"],
    ["vision_end_token_id", "7", '"7"'],
    ["image_token_id", null, "248056, the default of an absent key"],
  ])("%s of %j is refused with the tower alone", async (key, value, got) => {
    const folder = visionBase(newFolder());
    await editConfig(folder, (config) => Object.assign(config, { [key]: value }));
    await expect(openBase(folder)).rejects.toMatchObject({
      code: "BAD_CHECKPOINT",
      message: `config.json: "${key}" is ${got}; it should be a token of the vocabulary, from 0 to 383`,
    });
    await expect(openBase(folder, { carry: ["mtp"] })).resolves.toMatchObject({
      leftOut: ["vision"],
    });
  });
});

test("a model that sees, without text_config, is refused for that", async () => {
  const folder = visionBase(newFolder());
  await editConfig(folder, (config) => delete config.text_config);
  await expect(openBase(folder)).rejects.toMatchObject({
    message: 'config.json has no "text_config", which holds the config of the language model',
  });
});

test.each([
  ["img_context_token_id", "vision"],
  ["video_token_id", "vision"],
  ["sound_context_token_id", "audio"],
])("an Omni whose vocabulary lacks its %s is refused", async (key, part) => {
  const folder = wrapInOmni(smallest["nemotron_h.latent"]!, newFolder(), (config) => {
    if (key === "video_token_id") delete config.video_context_token_id;
    Object.assign(config, { [key]: 99_999 });
  });
  await expect(openBase(folder, { loader: "mlx-vlm" })).rejects.toMatchObject({
    code: "BAD_CHECKPOINT",
    message: expect.stringContaining(`"${key}" is 99999; it should be a token of the vocabulary`),
    hint: expect.stringContaining(`set carry without ${part}`),
  });
});
