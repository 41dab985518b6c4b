import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { architectures } from "../src/models/registry.ts";
import { findPython, runMlx } from "./python/python.ts";
import { kernelScene } from "./support/kernel-scene.ts";
import { copyModel, editConfig, smallest } from "./support/models.ts";
import { writeTier } from "./support/tier-files.ts";

/** Stock mlx-vlm loads the tiers that stock mlx-lm loads, but those of Nemotron Omni. */

const python = findPython("mlx_lm", "mlx_vlm");
const absent = "path" in python ? null : python.reason;
const script = fileURLToPath(new URL("./python/vlm_logits.py", import.meta.url));
const scene = kernelScene();

/** A base of the type. The usual sections of a picture's positions are too many for a tiny head. */
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
    const printed = await runMlx((python as { path: string }).path, [script, ...tiers]);
    const lines = printed.trim().split("\n");
    const gaps = lines.map((line) => JSON.parse(line).gap as number);
    // mlx-vlm's qwen3_next has another epsilon in the norms of its queries and keys.
    for (const [i, { modelType }] of both.entries())
      expect(gaps[i], modelType).toBeLessThan(modelType === "qwen3_next" ? 1e-3 : 1e-5);
  },
  120_000,
);
