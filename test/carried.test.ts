import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Kernel } from "../src/kernel/kernel-types.ts";
import { openKernel } from "../src/kernel/pool.ts";
import { qwen3_5 } from "../src/models/qwen3-5.ts";
import { removeFolder, scratchFolder } from "./support/models.ts";
import { readTensors, type StoredBytes } from "./support/safetensors.ts";
import { methods, writeTier } from "./support/tier-files.ts";
import { visionBase } from "./support/towers.ts";

/** Towers and multi-token prediction come out as they went in, whatever makes the tier. */

/** Tensors that no matrix of a language model is like. */
const odd: readonly [name: string, dtype: string, shape: number[], bytes: number][] = [
  ["model.visual.position_ids", "I64", [1, 2], 16],
  ["model.visual.scale", "F32", [], 4],
  ["model.visual.mask", "BOOL", [3], 3],
];

let kernel: Kernel;
let scratch: string;
let base: string;

beforeAll(async () => {
  kernel = await openKernel({ workers: 2 });
  scratch = await scratchFolder();
  base = visionBase(join(scratch, "base"), (tensors) => {
    for (const [name, dtype, shape, size] of odd)
      tensors.set(name, {
        dtype,
        shape,
        bytes: Uint8Array.from({ length: size }, (_, i) => i + 1),
      });
  });
});
afterAll(async () => {
  await kernel.close();
  await removeFolder(scratch);
});

describe.each(Object.entries(methods))("%s", (_, method) => {
  test("carried tensors are the base's; a convolution has its channels last", async () => {
    const { folder, files } = await writeTier(base, qwen3_5, method, { kernel, scratch });
    const from = readTensors(join(base, "model.safetensors"));
    const model = readTensors(join(folder, "model.safetensors"));
    const mtp = readTensors(join(folder, "mtp.safetensors"));
    expect(Object.keys(files)).toContain("mtp.safetensors");
    expect(files["preprocessor_config.json"]?.bytes).toBeGreaterThan(0);
    const visual = [...from].filter(([name]) => name.startsWith("model.visual."));
    for (const [name, tensor] of visual) {
      const found = model.get(name.replace("model.visual.", "vision_tower."));
      expect(found).toEqual(tensor.shape.length < 5 ? tensor : channelsAtEnd(tensor));
    }
    expect(mtp).toEqual(new Map([...from].filter(([name]) => name.startsWith("mtp."))));
    const index = JSON.parse(readFileSync(join(folder, "model.safetensors.index.json"), "utf8"));
    expect(Object.keys(index.weight_map)).toEqual([...model.keys()].sort());
  });
});

/** `[out, in, …]` of 16-bit elements as `[out, …, in]`. */
function channelsAtEnd({ dtype, shape, bytes }: StoredBytes): StoredBytes {
  const [outs, channels, ...rest] = shape as [number, number, ...number[]];
  const places = rest.reduce((product, size) => product * size, 1);
  const from = new Uint16Array(bytes.slice().buffer);
  const to = new Uint16Array(from.length);
  for (let out = 0; out < outs; out++)
    for (let channel = 0; channel < channels; channel++)
      for (let place = 0; place < places; place++)
        to[(out * places + place) * channels + channel] =
          from[(out * channels + channel) * places + place]!;
  return { dtype, shape: [outs, ...rest, channels], bytes: new Uint8Array(to.buffer) };
}
