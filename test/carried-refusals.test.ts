import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Tensors } from "./support/base-layouts.ts";
import { baseFolders, openBase } from "./support/base-scene.ts";
import { editConfig } from "./support/models.ts";
import { writeTensors } from "./support/safetensors.ts";
import { splitOff, visionBase } from "./support/towers.ts";

/** Bases whose towers are not as their config or their index says: refused from headers alone. */

const newFolder = baseFolders();
const drop = (pattern: RegExp) => (tensors: Tensors) => {
  for (const name of [...tensors.keys()]) if (pattern.test(name)) tensors.delete(name);
};
const add = (name: string, like: string) => (tensors: Tensors) => {
  tensors.set(name, tensors.get(like)!);
};
const someNorm = "model.visual.merger.norm.weight";

describe("a base is refused", () => {
  test.each<[what: string, change: (tensors: Tensors) => void, message: string]>([
    [
      "whose tower lacks a tensor of one layer",
      drop(/blocks\.1\.attn\.qkv\.bias$/),
      'the vision tower is incomplete: tensor "model.visual.blocks.1.attn.qkv.bias" is missing',
    ],
    [
      "whose tower lacks its last layer",
      drop(/blocks\.1\./),
      'the vision tower is incomplete: tensor "model.visual.blocks.1.attn.proj.bias" is missing',
    ],
    [
      "whose tower has a layer more than the config",
      add("model.visual.blocks.2.norm1.weight", someNorm),
      'the vision tower has 3 layers "model.visual.blocks.N", config.json says 2',
    ],
    [
      "whose tower lacks what is no layer",
      drop(/merger\.norm\.weight$/),
      'the vision tower is incomplete: tensor "model.visual.merger.norm.weight" is missing',
    ],
    [
      "whose tower lacks a matrix in every layer",
      drop(/attn\.qkv\./),
      'the vision tower is incomplete: tensor "model.visual.blocks.0.attn.qkv.weight" is missing',
    ],
    [
      "whose tower lacks its positions",
      drop(/visual\.pos_embed/),
      'the vision tower is incomplete: tensor "model.visual.pos_embed.weight" is missing',
    ],
    [
      "whose tower lacks the way into the language model",
      drop(/merger\.linear_fc2/),
      'the vision tower is incomplete: tensor "model.visual.merger.linear_fc2.weight" is missing',
    ],
    [
      "whose MTP lacks what joins it to the model",
      drop(/^mtp\.fc\./),
      'the multi-token prediction is incomplete: tensor "mtp.fc.weight" is missing',
    ],
    [
      "whose MTP lacks a matrix in its only layer",
      drop(/^mtp.*(q|down)_proj/),
      "the multi-token prediction is incomplete: tensor " +
        '"mtp.layers.0.self_attn.q_proj.weight" is missing',
    ],
    [
      "whose tower is missing",
      drop(/^model\.visual\./),
      'config.json has "vision_config", but no tensor begins with "model.visual."',
    ],
    [
      "that has a tensor in both layouts",
      add("vision_tower.merger.norm.weight", someNorm),
      'tensor "vision_tower.merger.norm.weight" would be "vision_tower.merger.norm.weight" in the' +
        ' MLX repository, and so would "model.visual.merger.norm.weight"',
    ],
  ])("%s", async (_, change, message) => {
    const opening = openBase(visionBase(newFolder(), change));
    await expect(opening).rejects.toMatchObject({ code: "BAD_CHECKPOINT", message });
  });

  test("whose tower lacks any one of its tensors", async () => {
    for (const missing of (await openBase(visionBase(newFolder()))).carried) {
      const { tensor } = missing.source;
      const opening = openBase(visionBase(newFolder(), (tensors) => tensors.delete(tensor)));
      await expect(opening, tensor).rejects.toMatchObject({
        code: "BAD_CHECKPOINT",
        message: expect.stringContaining("is incomplete: tensor"),
      });
    }
  });

  test("whose config does not know the tower", async () => {
    const folder = visionBase(newFolder());
    await editConfig(folder, (config) => delete config.vision_config);
    await expect(openBase(folder)).rejects.toMatchObject({
      code: "BAD_CHECKPOINT",
      message: expect.stringMatching(
        /^tensor "model\.visual\.[\w.]+" is of a vision tower, but config\.json has no "vision_config"$/,
      ),
    });
  });

  test.each<[key: string, value: number, message: string]>([
    [
      "hidden_size",
      999,
      'tensor "model.visual.pos_embed.weight" of shape [16, 64], but config.json gives [16, 999]',
    ],
    [
      "intermediate_size",
      96,
      'tensor "model.visual.blocks.0.mlp.linear_fc1.weight" of shape [128, 64], but config.json ' +
        "gives [96, 64]",
    ],
    [
      "patch_size",
      8,
      'tensor "model.visual.patch_embed.proj.weight" of shape [64, 3, 2, 4, 4], but config.json ' +
        "gives [64, 3, 2, 8, 8]",
    ],
  ])("whose tower has not the %s of the config", async (key, value, message) => {
    const folder = visionBase(newFolder());
    await editConfig(folder, (config) => {
      Object.assign(config.vision_config as object, { [key]: value });
    });
    await expect(openBase(folder)).rejects.toMatchObject({
      code: "BAD_CHECKPOINT",
      message: `the vision tower has ${message}`,
    });
  });

  test.each<[code: string, change: object, message: string]>([
    ["BAD_CHECKPOINT", { num_heads: 5 }, '"hidden_size" is 64, not a multiple of "num_heads", 5'],
    [
      "BAD_CHECKPOINT",
      { out_hidden_size: 96 },
      '"out_hidden_size" is 96, but the language model\'s "hidden_size" 64',
    ],
    [
      "UNSUPPORTED_MODEL",
      { deepstack_visual_indexes: [1] },
      '"deepstack_visual_indexes" is [1], not empty',
    ],
  ])("%s: whose tower has %j", async (code, change, message) => {
    const folder = visionBase(newFolder(), (tensors) => {
      if (!("out_hidden_size" in change)) return;
      for (const [name, shape] of [["weight", [96, 256]] as const, ["bias", [96]] as const]) {
        const bytes = new Uint8Array(
          2 * shape.reduce((product: number, size) => product * size, 1),
        );
        tensors.set(`model.visual.merger.linear_fc2.${name}`, { dtype: "BF16", shape, bytes });
      }
    });
    await editConfig(folder, (config) => Object.assign(config.vision_config as object, change));
    await expect(openBase(folder)).rejects.toMatchObject({
      code,
      message: `config.json: vision_config's ${message}`,
    });
    const base = await openBase(folder, { carry: ["mtp"] });
    expect(base.wrapper?.config).not.toHaveProperty("vision_config");
  });

  test("whose two configs contradict each other", async () => {
    const folder = visionBase(newFolder());
    await editConfig(folder, (config) => {
      config.tie_word_embeddings = false;
    });
    await expect(openBase(folder)).rejects.toMatchObject({
      message: expect.stringContaining('"tie_word_embeddings" outside of text_config says false'),
    });
  });

  test("whose index names a tensor of the tower that no shard holds", async () => {
    const folder = visionBase(newFolder());
    const missing = "model.visual.merger.norm.bias";
    splitOff(folder, drop(new RegExp(missing)), { [missing]: "model-00001-of-00001.safetensors" });
    await expect(openBase(folder)).rejects.toMatchObject({
      message: expect.stringContaining(`names tensor "${missing}"`),
    });
    await expect(openBase(folder, { carry: [] })).resolves.toMatchObject({
      leftOut: ["vision", "mtp"],
    });
  });

  test("with MTP in a file that mlx-lm would load", async () => {
    const folder = visionBase(newFolder());
    splitOff(folder, drop(/^mtp\./), {});
    writeTensors(join(folder, "model-mtp.safetensors"), new Map());
    await expect(openBase(folder)).rejects.toMatchObject({
      message: expect.stringContaining(
        'has "model-mtp.safetensors", which its index does not name: mlx-lm would load it',
      ),
    });
  });

  test("with MTP in such a file and without an index", async () => {
    const folder = visionBase(newFolder(), drop(/^mtp\./));
    expect(readdirSync(folder).filter((name) => /index|^model.*safetensors/.test(name))).toEqual([
      "model.safetensors",
    ]);
    writeTensors(join(folder, "model-mtp.safetensors"), new Map());
    await expect(openBase(folder)).rejects.toMatchObject({
      message: expect.stringContaining(
        'has "model-mtp.safetensors", and no model.safetensors.index.json that names it: mlx-lm',
      ),
      hint: expect.stringContaining("Name the tensors of all files in model.safetensors.index"),
    });
  });
});

describe("a base is taken", () => {
  test("with the tower in mlx-vlm's names and layout", async () => {
    const moved = "patch_embed.proj.weight";
    const { carried } = await openBase(
      visionBase(newFolder(), (tensors) => {
        for (const [name, tensor] of [...tensors]) {
          if (!name.startsWith("model.visual.")) continue;
          const [out, channels, ...rest] = tensor.shape as [number, number, ...number[]];
          const shape = name.endsWith(moved) ? [out, ...rest, channels] : tensor.shape;
          tensors.delete(name);
          tensors.set(name.replace("model.visual.", "vision_tower."), { ...tensor, shape });
        }
      }),
    );
    expect(carried.find(({ name }) => name.endsWith(moved))?.shape).toEqual([64, 2, 4, 4, 3]);
  });

  test("without MTP: few bases keep it", async () => {
    const { carried, leftOut } = await openBase(visionBase(newFolder(), drop(/^mtp\./)));
    expect(carried.filter(({ part }) => part === "mtp")).toEqual([]);
    expect(leftOut).toEqual([]);
  });

  test("with MTP in a file of its own that the index does not name", async () => {
    const folder = visionBase(newFolder());
    const own: Tensors = new Map();
    splitOff(
      folder,
      (tensors) => {
        for (const [name, tensor] of tensors) if (/^mtp\./.test(name)) own.set(name, tensor);
        drop(/^mtp\./)(tensors);
      },
      {},
    );
    writeTensors(join(folder, "mtp.safetensors"), own);
    const { carried } = await openBase(folder);
    expect(carried.filter(({ part }) => part === "mtp").map(({ name }) => name)).toEqual([
      ...own.keys(),
    ]);
  });

  test("with half a tower, if it is left out; config.json then lacks it too", async () => {
    const folder = visionBase(newFolder(), drop(/blocks\.1\./));
    const base = await openBase(folder, { carry: ["mtp"] });
    expect(base.leftOut).toEqual(["vision"]);
    expect(new Set(base.carried.map(({ part }) => part))).toEqual(new Set(["mtp"]));
    expect(base.wrapper?.config).not.toHaveProperty("vision_config");
    expect(base.wrapper?.config).toHaveProperty("image_token_id");
  });
});
