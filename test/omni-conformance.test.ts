import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { nemotronHOmni } from "../src/models/nemotron-h-omni.ts";
import { findPython, runMlx } from "./python/python.ts";
import { kernelScene } from "./support/kernel-scene.ts";
import { smallest } from "./support/models.ts";
import { omniTowers, wrapInOmni } from "./support/omni.ts";
import { methods, writeTier } from "./support/tier-files.ts";

/** Stock mlx-vlm loads a tier of Nemotron Omni whole, and computes what it should. */

const script = fileURLToPath(new URL("./python/omni_conformance.py", import.meta.url));
const python = findPython("mlx_lm", "mlx_vlm", "mlx_audio");
const absent = "path" in python ? null : python.reason;
const references = ["vision", "sound"].map((part) => join(omniTowers, `ref_${part}_f32_torch.npy`));

const scene = kernelScene();
const slow = { timeout: 120_000 };
const loader = "mlx-vlm" as const;

interface Check {
  readonly check: string;
  readonly ok: boolean;
}

async function compare(base: string, folders: readonly string[]): Promise<readonly Check[]> {
  const [whole, ...fewer] = folders as [string, ...string[]];
  const args = [script, base, whole, ...references, ...fewer];
  const printed = await runMlx((python as { path: string }).path, args);
  return printed
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

const failed = (checks: readonly Check[]) => checks.filter(({ ok }) => !ok);

describe.skipIf(absent !== null)("mlx-vlm", () => {
  test.each([
    ["rounded", "nemotron_h.latent", 8],
    ["tuned", "nemotron_h.latent", 8],
    ["rounded", "nemotron_h", 7],
  ])("loads a tier, %s, of %s with towers", slow, async (method, language, count) => {
    const base = wrapInOmni(smallest[language]!, join(scene.scratch, `${language}-${method}`));
    const options = { kernel: scene.kernel, scratch: scene.scratch, loader };
    const { folder } = await writeTier(base, nemotronHOmni, methods[method]!, options);
    const checks = await compare(base, [folder]);
    expect(failed(checks)).toEqual([]);
    expect(checks).toHaveLength(count);
  });

  test("loads tiers without some parts", slow, async () => {
    const base = wrapInOmni(smallest["nemotron_h.latent"]!, join(scene.scratch, "parts"));
    const chosen = [["vision", "audio", "mtp"], ["vision"], ["audio", "mtp"], []] as const;
    const folders: string[] = [];
    for (const carry of chosen) {
      const options = { kernel: scene.kernel, scratch: scene.scratch, loader, carry };
      folders.push((await writeTier(base, nemotronHOmni, null, options)).folder);
    }
    const checks = await compare(base, folders);
    expect(failed(checks)).toEqual([]);
    expect(checks.slice(8).map(({ check }) => check)).toEqual([
      "without ['sound_encoder']",
      "without ['vision_model']",
      "without ['vision_model', 'sound_encoder']",
    ]);
  });
});
