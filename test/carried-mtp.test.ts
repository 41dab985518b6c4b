import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rewriteBase, type Tensors } from "./support/base-layouts.ts";
import { openBaseFolder } from "./support/converted.ts";
import { byArchitecture, removeFolder, scratchFolder } from "./support/models.ts";

/** Multi-token prediction of mixtures of experts: the whole of it is taken, a part is refused. */

let scratch: string;
let made = 0;

beforeAll(async () => {
  scratch = await scratchFolder();
});
afterAll(() => removeFolder(scratch));

/** Names of the MTP that is carried from a small base with its tensors changed. */
async function mtpOf(type: string, change: (tensors: Tensors) => void): Promise<string[]> {
  const folder = rewriteBase(byArchitecture[type]!, join(scratch, `base-${++made}`), change);
  const { checkpoint, carried } = await openBaseFolder(folder);
  await checkpoint.close();
  return carried.map(({ name }) => name);
}

const floats = (...shape: number[]) => {
  const bytes = new Uint8Array(2 * shape.reduce((all, size) => all * size, 1));
  return { dtype: "BF16", shape, bytes };
};

/** Adds one MTP block that has the tensors of the base's full attention block. */
function addMtp(tensors: Tensors): void {
  const block = /^model\.(?:language_model\.)?layers\.2\./;
  for (const [name, tensor] of [...tensors])
    if (block.test(name)) tensors.set(name.replace(block, "mtp.layers.0."), tensor);
  tensors.set("mtp.fc.weight", floats(64, 128));
  for (const norm of ["norm", "pre_fc_norm_hidden", "pre_fc_norm_embedding"])
    tensors.set(`mtp.${norm}.weight`, floats(64));
}

/** The stacked experts of the MTP block as one tensor a matrix and expert. */
function unstack(tensors: Tensors): void {
  const prefix = "mtp.layers.0.mlp.experts";
  for (const [stack, names] of [
    ["gate_up_proj", ["gate_proj", "up_proj"]],
    ["down_proj", ["down_proj"]],
  ] as const) {
    const [experts, rows, columns] = tensors.get(`${prefix}.${stack}`)!.shape as [
      number,
      number,
      number,
    ];
    tensors.delete(`${prefix}.${stack}`);
    for (let expert = 0; expert < experts; expert++)
      for (const name of names)
        tensors.set(`${prefix}.${expert}.${name}.weight`, floats(rows / names.length, columns));
  }
}

const types: readonly [type: string, add: (tensors: Tensors) => void, unstacked: boolean][] = [
  ["qwen3_next", addMtp, true],
  ["qwen3_5_moe", addMtp, false],
  [
    "qwen3_5_moe",
    (tensors) => {
      addMtp(tensors);
      unstack(tensors);
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
    tensors.set("mtp.layers.0.eh_proj.weight", floats(128, 128));
  });
  await expect(opening).rejects.toMatchObject({
    message:
      'the multi-token prediction has tensor "mtp.layers.0.eh_proj.weight" of shape [128, 128], ' +
      "but config.json gives [128, 256]",
  });
});

test("an MTP that is one tensor is refused", async () => {
  const opening = mtpOf("qwen3_next", (tensors) => {
    tensors.set("mtp.fc.weight", floats(64, 128));
  });
  await expect(opening).rejects.toMatchObject({
    message: expect.stringContaining('tensor "mtp.norm.weight" is missing'),
  });
});
