import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Kernel } from "../src/kernel/kernel-types.ts";
import { openKernel } from "../src/kernel/pool.ts";
import { removeFolder, scratchFolder } from "./support/models.ts";
import { readTensors } from "./support/safetensors.ts";
import { methods, writeTier } from "./support/tier-files.ts";
import { wrapBase, wrapped } from "./support/wrapped.ts";

/** Towers and multi-token prediction come out as they went in, whatever makes the tier. */

let kernel: Kernel;
let scratch: string;
let base: string;

beforeAll(async () => {
  kernel = await openKernel({ workers: 2 });
  scratch = await scratchFolder();
  base = wrapBase(join(scratch, "base"));
});
afterAll(async () => {
  await kernel.close();
  await removeFolder(scratch);
});

describe.each(Object.entries(methods))("%s", (_, method) => {
  test("carried tensors are the base's; a convolution has its channels last", async () => {
    const { folder, files } = await writeTier(base, wrapped, method, { kernel, scratch });
    const from = readTensors(join(base, "model.safetensors"));
    const model = readTensors(join(folder, "model.safetensors"));
    const mtp = readTensors(join(folder, "mtp.safetensors"));
    expect(Object.keys(files)).toContain("mtp.safetensors");
    const visual = [...from].filter(([name]) => name.startsWith("model.visual."));
    for (const [name, tensor] of visual) {
      const found = model.get(name.replace("model.visual.", "vision_tower."));
      if (tensor.shape.length < 5) expect(found).toEqual(tensor);
      else expect(found?.shape).toEqual([64, 2, 4, 4, 3]);
    }
    expect(mtp).toEqual(new Map([...from].filter(([name]) => name.startsWith("mtp."))));
    const index = JSON.parse(readFileSync(join(folder, "model.safetensors.index.json"), "utf8"));
    expect(Object.keys(index.weight_map)).toEqual([...model.keys()].sort());
  });
});
