import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BaseOptions, readBase } from "../src/base/base.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import type { ModelConfig } from "../src/checkpoint/model-config.ts";
import { llama } from "../src/models/llama.ts";
import type { Tensors } from "./support/base-layouts.ts";
import { removeFolder, scratchFolder, smallest } from "./support/models.ts";
import { wrapInOmni } from "./support/omni.ts";

/** Omni bases whose towers are not as mlx-vlm's classes have them: refused from headers alone. */

const language = smallest["nemotron_h.latent"]!;
let scratch: string;
let made = 0;
beforeAll(async () => {
  scratch = await scratchFolder();
});
afterAll(() => removeFolder(scratch));

type Change = (config: ModelConfig, tensors: Tensors) => void;

const make = (change: Change = () => {}) =>
  wrapInOmni(language, join(scratch, `base-${++made}`), change);
const open = async (folder: string, options: Partial<BaseOptions> = {}) => {
  const known = { allowHeaderOnly: true, loader: "mlx-vlm" } as const;
  const base = await readBase(await openFolder(folder), { ...known, ...options });
  await base.checkpoint.close();
  return base;
};

const drop =
  (pattern: RegExp): Change =>
  (_, tensors) => {
    for (const name of [...tensors.keys()]) if (pattern.test(name)) tensors.delete(name);
  };
const add =
  (name: string, like: string): Change =>
  (_, tensors) => {
    tensors.set(name, tensors.get(like)!);
  };
const set =
  (part: string, key: string, value: unknown): Change =>
  (config) => {
    Object.assign(config[part] as object, { [key]: value });
  };

const radio = "vision_model.radio_model.";
const parakeet = "sound_encoder.encoder.";
const norm = `${radio}model.blocks.0.norm1.weight`;

describe("a base is refused", () => {
  test.each<[what: string, change: Change, message: string]>([
    [
      "without its last block of the vision tower",
      drop(/radio_model\.model\.blocks\.1\./),
      `the vision tower is incomplete: tensor "${radio}model.blocks.1.norm1.weight" is missing`,
    ],
    [
      "with a block more than its config",
      add(`${radio}model.blocks.2.norm1.weight`, norm),
      `the vision tower has 3 layers "${radio}model.blocks.N", config.json says 2`,
    ],
    [
      "without the projector of the vision tower",
      drop(/^mlp1\./),
      'the vision tower is incomplete: tensor "mlp1.0.weight" is missing',
    ],
    [
      "without the norm that comes with multi-token prediction",
      drop(/final_layernorm/),
      "the vision tower is incomplete: tensor " +
        '"vision_projector.vision_final_layernorm.weight" is missing',
    ],
    [
      "with a vision tower that its config does not know",
      (config) => delete config.vision_config,
      'tensor "vision_model.radio_model.input_conditioner.norm_mean" is of a vision tower, but ' +
        'config.json has no "vision_config"',
    ],
    [
      "without the sound tower of its config",
      drop(/^sound_/),
      `config.json has "sound_config", but no tensor begins with "${parakeet}", ` +
        '"sound_encoder.", "sound_projection."',
    ],
    [
      "without the projection of its sound",
      drop(/^sound_projection\./),
      'the audio tower is incomplete: tensor "sound_projection.norm.weight" is missing',
    ],
    [
      "with the projection of its sound alone",
      drop(/^sound_encoder\./),
      `the audio tower is incomplete: tensor "${parakeet}subsampling.layers.0.weight" is missing`,
    ],
    [
      "with another width of sound than its config",
      set("sound_config", "hidden_size", 40),
      `the audio tower has tensor "${parakeet}subsampling.linear.weight" of shape [32, 32], but ` +
        "config.json gives [40, 32]",
    ],
    [
      "with another kernel of sound than its config",
      set("sound_config", "conv_kernel_size", 7),
      `the audio tower has tensor "${parakeet}layers.0.conv.depthwise_conv.weight" of shape ` +
        "[32, 1, 5], but config.json gives [32, 1, 7]",
    ],
    [
      "with other positions than its config",
      set("vision_config", "args", { cpe_max_size: 64, teachers: [], register_multiple: 4 }),
      `the vision tower has tensor "${radio}model.patch_generator.pos_embed" of shape ` +
        "[1, 64, 48], but config.json gives [1, 256, 48]",
    ],
    [
      "with other class tokens and registers than its config",
      set("vision_config", "args", { cpe_max_size: 32, teachers: [{ name: "one" }] }),
      `the vision tower has tensor "${radio}model.patch_generator.cls_token.token" of shape ` +
        "[4, 48], but config.json gives [1, 48]",
    ],
    [
      "with a projector of another width than its config",
      (config) => Object.assign(config, { projector_hidden_size: 65 }),
      'the vision tower has tensor "mlp1.1.weight" of shape [64, 192], but config.json gives ' +
        "[65, 192]",
    ],
  ])("%s", async (_, change, message) => {
    const opening = open(make(change));
    await expect(opening).rejects.toMatchObject({ code: "BAD_CHECKPOINT", message });
  });

  test.each<[what: string, change: Change, message: string]>([
    [
      "heads of the vision tower",
      set("vision_config", "num_attention_heads", 5),
      '"hidden_size" in "vision_config" is 48, but "num_attention_heads" is 5, which does not ' +
        "divide it",
    ],
    [
      "heads of the audio tower",
      set("sound_config", "num_attention_heads", 3),
      'tensor "sound_encoder.encoder.layers.0.self_attn.q_proj.weight" of shape [32, 32], but ' +
        "config.json gives [30, 32]",
    ],
    [
      "a width that the projector does not read",
      (config, tensors) => {
        const parts = config.vision_config as Record<string, unknown>;
        config.vision_config = { ...parts, hidden_size: 48 };
        config.vit_hidden_size = 12;
        config.downsample_ratio = 0.25;
        drop(/final_layernorm/)(config, tensors);
        config.vision_final_layernorm = false;
      },
      '"hidden_size" in "vision_config" is 48, but "vit_hidden_size" is 12',
    ],
  ])("with %s", async (_, change, message) => {
    await expect(open(make(change))).rejects.toMatchObject({
      code: "BAD_CHECKPOINT",
      message: expect.stringContaining(message),
    });
  });

  test("without any one tensor of its towers", async () => {
    const towers = (await open(make())).carried.filter(({ part }) => part !== "mtp");
    expect(towers).toHaveLength(102);
    for (const { source } of towers) {
      const opening = open(make((_, tensors) => tensors.delete(source.tensor)));
      await expect(opening, source.tensor).rejects.toMatchObject({
        code: "BAD_CHECKPOINT",
        message: expect.stringContaining("is incomplete: tensor"),
      });
    }
  });

  test.each([
    ["vision", `${radio}model.blocks.0.ls1.gamma`, "vision tower"],
    ["vision", "vision_model.other.weight", "vision tower"],
    ["audio", `${parakeet}layers.1.self_attn.q_proj.bias`, "audio tower"],
  ])("with a tensor that mlx-vlm's %s does not have: %s", async (part, name, words) => {
    await expect(open(make(add(name, norm)))).rejects.toMatchObject({
      code: "UNSUPPORTED_MODEL",
      message: expect.stringContaining(
        `tensor "${name}" is none that mlx-vlm's ${words} has under this config: mlx-vlm would ` +
          "not load the tier; known below ",
      ),
      hint: expect.stringContaining(`set carry without ${part}`),
    });
  });

  test("whose tokens have two names with two values", async () => {
    const folder = make((config) => Object.assign(config, { image_token_id: 5 }));
    await expect(open(folder)).rejects.toMatchObject({
      message: expect.stringContaining("img_context_token_id is 18, but image_token_id says 5"),
    });
  });

  test("if mlx-vlm has no such type of an Omni", async () => {
    const folder = make((config) => Object.assign(config, { model_type: "NemotronH_Nano_VL_V2" }));
    await expect(open(folder)).rejects.toMatchObject({
      code: "UNSUPPORTED_MODEL",
      message: 'loader is mlx-vlm, which has no type "NemotronH_Nano_VL_V2"',
    });
    await expect(open(folder, { loader: "mlx-lm" })).resolves.toMatchObject({
      leftOut: expect.any(Array),
    });
  });

  test("if mlx-vlm has no such type", async () => {
    const { inMlxVlm: _, ...alone } = llama;
    const opening = open(smallest.llama!, { architectures: [alone] });
    await expect(opening).rejects.toMatchObject({
      code: "UNSUPPORTED_MODEL",
      message: 'loader is mlx-vlm, which has no type "llama"',
      hint: expect.stringContaining("Set loader to mlx-lm"),
    });
  });
});

test("half a tower is no fault where it is left out", async () => {
  const folder = make(drop(/^sound_projection\./));
  const base = await open(folder, { carry: ["vision"] });
  expect(base.leftOut).toEqual(["audio", "mtp"]);
  await expect(open(folder, { loader: "mlx-lm" })).resolves.toMatchObject({
    leftOut: ["vision", "audio"],
  });
});

test("a config as transformers writes it is read as the published one", async () => {
  const published = await open(make());
  const folder = make((config, tensors) => {
    const { llm_config, sound_config, vision_config, ...rest } = config;
    const moved: Record<string, string> = {
      img_context_token_id: "image_token_id",
      video_context_token_id: "video_token_id",
      sound_context_token_id: "audio_token_id",
      vit_hidden_size: "vision_hidden_size",
    };
    for (const key of Object.keys(config)) delete config[key];
    for (const [key, value] of Object.entries(rest)) config[moved[key] ?? key] = value;
    const {
      args: _,
      intermediate_size: _i,
      max_resolution: _m,
      ...vision
    } = vision_config as Record<string, unknown>;
    const counted = { max_img_size: 32, num_cls_tokens: 2, num_registers: 2, mlp_ratio: 4 };
    Object.assign(config, {
      model_type: "nemotron_h_omni",
      text_config: llm_config,
      audio_config: sound_config,
      vision_config: { ...vision, ...counted },
    });
    tensors.delete(`${radio}summary_idxs`);
  });
  const base = await open(folder);
  expect(base.carried).toEqual(published.carried);
  expect(base.wrapper?.config).toMatchObject({
    model_type: "nemotron_h_nano_omni",
    img_context_token_id: 18,
    sound_config: { hidden_size: 32 },
    vision_config: { intermediate_size: 192, args: { register_multiple: 4 } },
  });
});

test("a base in mlx-vlm's own spelling gives the same tensors", async () => {
  const published = await open(make());
  const folder = make((_, tensors) => {
    for (const { name, shape, source } of published.carried) {
      const { bytes, dtype } = tensors.get(source.tensor)!;
      tensors.delete(source.tensor);
      tensors.set(name, { bytes, dtype, shape });
    }
  });
  const base = await open(folder);
  const shapesOf = ({ carried }: typeof base) =>
    Object.fromEntries(carried.map(({ name, shape }) => [name, shape]));
  expect(shapesOf(base)).toEqual(shapesOf(published));
});

test.each([-1, 1.5, 1e9, "2"])("%j class tokens are no count", async (value) => {
  const folder = make((config) => {
    const { args: _, ...vision } = config.vision_config as Record<string, unknown>;
    config.vision_config = { ...vision, num_cls_tokens: value };
  });
  await expect(open(folder)).rejects.toMatchObject({
    code: "BAD_CHECKPOINT",
    message: expect.stringContaining("should be counts up to 1024"),
  });
});
