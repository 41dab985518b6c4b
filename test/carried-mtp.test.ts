import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rewriteBase, type Tensors } from "./support/base-layouts.ts";
import { openBaseFolder } from "./support/converted.ts";
import { byArchitecture, removeFolder, scratchFolder } from "./support/models.ts";
import { addMtp, unstackExperts, zeros } from "./support/mtp.ts";

/** Multi-token prediction of mixtures of experts: the whole of it is taken, a part is refused. */

let scratch: string;
let made = 0;

beforeAll(async () => {
  scratch = await scratchFolder();
});
afterAll(() => removeFolder(scratch));

/** Names of the MTP that is carried from a small base with its tensors changed. */
async function mtpOf(
  type: string,
  change: (tensors: Tensors) => void,
  config: object = {},
): Promise<string[]> {
  const folder = rewriteBase(byArchitecture[type]!, join(scratch, `base-${++made}`), change);
  if (Object.keys(config).length > 0) {
    const path = join(folder, "config.json");
    const text = readFileSync(path, "utf8").replace("Infinity", "1e6"); // JSON.parse refuses it
    writeFileSync(path, JSON.stringify({ ...JSON.parse(text), ...config }));
  }
  const { checkpoint, carried } = await openBaseFolder(folder);
  await checkpoint.close();
  return carried.map(({ name }) => name);
}

const types: readonly [type: string, add: (tensors: Tensors) => void, unstacked: boolean][] = [
  ["qwen3_next", addMtp, true],
  ["qwen3_5_moe", addMtp, false],
  [
    "qwen3_5_moe",
    (tensors) => {
      addMtp(tensors);
      unstackExperts(tensors, "mtp.");
    },
    true,
  ],
  ["nemotron_h.latent", () => {}, true],
];

describe.each(types)("the MTP of %s", (type, add, unstacked) => {
  test("is taken whole", async () => {
    const names = await mtpOf(type, add);
    expect(names.length).toBeGreaterThan(15);
    expect(names.some((name) => /experts\.0\./.test(name))).toBe(unstacked);
  });

  test("is refused without any one of its tensors", async () => {
    const refused = "the multi-token prediction is incomplete: tensor";
    for (const missing of await mtpOf(type, add)) {
      const opening = mtpOf(type, (tensors) => {
        add(tensors);
        tensors.delete(missing);
      });
      await expect(opening, missing).rejects.toMatchObject({
        code: "BAD_CHECKPOINT",
        message: expect.stringContaining(refused),
      });
    }
  });
});

test("MTP of another width is refused", async () => {
  const opening = mtpOf("nemotron_h.latent", (tensors) => {
    tensors.set("mtp.layers.0.eh_proj.weight", zeros(128, 128));
  });
  await expect(opening).rejects.toMatchObject({
    message:
      'the multi-token prediction has tensor "mtp.layers.0.eh_proj.weight" of shape [128, 128], ' +
      "but config.json gives [128, 256]",
  });
});

test("an MTP that is one tensor is refused", async () => {
  const opening = mtpOf("qwen3_next", (tensors) => {
    tensors.set("mtp.fc.weight", zeros(64, 128));
  });
  await expect(opening).rejects.toMatchObject({
    message: expect.stringContaining('tensor "mtp.norm.weight" is missing'),
  });
});

describe.each(types)("the MTP of %s", (type, add) => {
  test.each<[name: string, known: RegExp]>([
    ["mtp.layers.0.foo.weight", /known below "mtp\.layers\.0\." are .*norm/],
    ["mtp.layers.9.norm.weight", /known below "mtp\.layers\." (is 0|are 0 to 1)$/],
    ["mtp.foo", /known below "mtp\." (is|are) .*layers/],
  ])("is refused with %s, which no role names", async (name, known) => {
    const opening = mtpOf(type, (tensors) => {
      add(tensors);
      tensors.set(name, zeros(64));
    });
    const start = `^tensor "${name}" is none that the multi-token prediction has under this config`;
    await expect(opening).rejects.toMatchObject({
      code: "UNSUPPORTED_MODEL",
      message: expect.stringMatching(new RegExp(`${start}; ${known.source}`)),
      hint: expect.stringContaining("set carry without mtp"),
    });
  });
});

describe("the MTP of nemotron_h.latent is refused", () => {
  const expert = (leaf: string) => `mtp.layers.1.mixer.experts.6.${leaf}_proj.weight`;

  test("with an expert more than the config says", async () => {
    const opening = mtpOf("nemotron_h.latent", (tensors) => {
      for (const leaf of ["up", "down"]) tensors.set(expert(leaf), zeros(64, 64));
    });
    await expect(opening).rejects.toMatchObject({
      message: expect.stringMatching(/experts\.6\..*known below "[\w.]+\.experts\." are 0 to 5$/),
    });
  });

  test.each<[config: object, message: string]>([
    [{ num_nextn_predict_layers: 2 }, 'incomplete: tensor "mtp.layers.2.enorm.weight" is missing'],
    [{ num_nextn_predict_layers: 0 }, '"num_nextn_predict_layers" is 0, but the base has tensors'],
    [{ num_nextn_predict_layers: "1" }, '"num_nextn_predict_layers" is "1", but'],
    [{ mtp_hybrid_override_pattern: "*X" }, 'got "*X", with "X" for block 1'],
    [{ mtp_hybrid_override_pattern: "" }, '"mtp_hybrid_override_pattern" should name the blocks'],
    [
      { mtp_hybrid_override_pattern: null, mtp_layers_block_type: ["attention", "ring"] },
      'with "ring" for block 1',
    ],
  ])("with %j", async (config, message) => {
    const opening = mtpOf("nemotron_h.latent", () => {}, config);
    await expect(opening).rejects.toMatchObject({
      code: "BAD_CHECKPOINT",
      message: expect.stringContaining(message),
      hint: expect.stringContaining("set carry without mtp"),
    });
  });
});

test.each([
  { mtp_hybrid_override_pattern: null, mtp_layers_block_type: ["attention", "moe"] },
  { mtp_hybrid_override_pattern: null, num_nextn_predict_layers: null },
])("the MTP of nemotron_h.latent is taken with %j", async (config) => {
  const names = await mtpOf("nemotron_h.latent", () => {}, config);
  expect(names).toEqual(await mtpOf("nemotron_h.latent", () => {}));
});

test("two steps of MTP of a Nemotron-H are numbered on", async () => {
  const twice = (tensors: Tensors) => {
    for (const [name, tensor] of [...tensors]) {
      const [, layer, rest] = /^mtp\.layers\.(\d)\.(.*)$/.exec(name) ?? [];
      if (layer !== undefined) tensors.set(`mtp.layers.${Number(layer) + 2}.${rest}`, tensor);
    }
  };
  const once = await mtpOf("nemotron_h.latent", () => {});
  const names = await mtpOf("nemotron_h.latent", twice, { num_nextn_predict_layers: 2 });
  expect(names).toHaveLength(2 * once.length);
});

test("MTP of a Qwen3-Next has as many layers as the config says", async () => {
  const opening = mtpOf("qwen3_next", addMtp, { num_nextn_predict_layers: 2 });
  await expect(opening).rejects.toMatchObject({
    message: expect.stringMatching(/incomplete: tensor "mtp\.layers\.1\.[\w.]+" is missing/),
  });
});
