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
async function mtpOf(type: string, change: (tensors: Tensors) => void): Promise<string[]> {
  const folder = rewriteBase(byArchitecture[type]!, join(scratch, `base-${++made}`), change);
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
