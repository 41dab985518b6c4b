import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { qwen3_5 } from "../src/models/qwen3-5.ts";
import { architectures } from "../src/models/registry.ts";
import { findPython, runMlx } from "./python/python.ts";
import { kernelScene } from "./support/kernel-scene.ts";
import { copyModel, editConfig, smallest } from "./support/models.ts";
import { methods, writeTier } from "./support/tier-files.ts";
import { towers, visionBase } from "./support/towers.ts";

/** One repository serves stock mlx-lm and mlx-vlm. */

const script = fileURLToPath(new URL("./python/vlm_conformance.py", import.meta.url));
const python = findPython("mlx_lm", "mlx_vlm");
const absent = "path" in python ? null : python.reason;

const scene = kernelScene();

test.skipIf(absent !== null)("a tier with a tower", async () => {
  const base = visionBase(join(scene.scratch, "base"));
  const { folder } = await writeTier(base, qwen3_5, methods.rounded ?? null, scene);
  const printed = await runMlx((python as { path: string }).path, [
    script,
    base,
    folder,
    join(towers, "ref_vision_f32_torch.npy"),
  ]);
  const checks: { check: string; ok: boolean }[] = printed
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(checks.filter(({ ok }) => !ok)).toEqual([]);
  expect(checks).toHaveLength(4);
});

/** A base of the type. mlx-vlm needs the sections of a picture's positions in a Qwen3.5. */
async function baseOf(type: string): Promise<string> {
  if (!type.startsWith("qwen3_5")) return smallest[type]!;
  const folder = await copyModel(smallest[type]!);
  await editConfig(folder, ({ text_config }) => {
    const { rope_parameters } = text_config as Record<string, object>;
    Object.assign(rope_parameters!, { mrope_section: [2, 1, 1] });
  });
  return folder;
}

test.skipIf(absent !== null)(
  "mlx-vlm loads tiers of every type that it has, with mlx-lm's logits",
  async () => {
    const both = architectures.filter(({ inMlxVlm }) => inMlxVlm === "same");
    expect(both.length).toBe(10);
    const tiers: string[] = [];
    for (const architecture of both) {
      const base = await baseOf(architecture.modelType);
      tiers.push((await writeTier(base, architecture, null, scene)).folder);
    }
    const script = fileURLToPath(new URL("./python/vlm_logits.py", import.meta.url));
    const printed = await runMlx((python as { path: string }).path, [script, ...tiers]);
    const gaps = printed
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).gap as number);
    // mlx-vlm's qwen3_next has another epsilon in the norms of its queries and keys.
    for (const [i, { modelType }] of both.entries())
      expect(gaps[i], modelType).toBeLessThan(modelType === "qwen3_next" ? 1e-3 : 1e-5);
  },
  120_000,
);
