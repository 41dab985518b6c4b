import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { qwen3_5 } from "../src/models/qwen3-5.ts";
import { findPython, runMlx } from "./python/python.ts";
import { kernelScene } from "./support/kernel-scene.ts";
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
