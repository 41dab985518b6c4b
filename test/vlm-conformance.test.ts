import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findPython, runMlx } from "./python/python.ts";
import { fewRows, rounded, runCli } from "./support/cli-run.ts";
import { removeFolder, scratchFolder } from "./support/models.ts";
import { towers, type VisionType, visionBase } from "./support/towers.ts";

/** One repository serves stock mlx-lm and mlx-vlm. */

const script = fileURLToPath(new URL("./python/vlm_conformance.py", import.meta.url));
const python = findPython("mlx_lm", "mlx_vlm");
const absent = "path" in python ? null : python.reason;

/** A run of a base with a tower. `bare`: tiers that are made once more, without the tower. */
interface Case {
  readonly type: VisionType;
  readonly flags: readonly string[];
  readonly tiers: string;
  readonly bare?: string;
}
const cases: Readonly<Record<string, Case>> = {
  "qwen3_5, rounded": {
    type: "qwen3_5",
    flags: rounded,
    tiers: "oQ8e,oQ6e,oQ5e,oQ4e",
    bare: "oQ4e",
  },
  "qwen3_5_moe, rounded": { type: "qwen3_5_moe", flags: rounded, tiers: "oQ4e" },
  "qwen3_5_moe, tuned": { type: "qwen3_5_moe", flags: fewRows, tiers: "oQ8e,oQ4e" },
};

interface Check {
  readonly task: string;
  readonly check: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** Checks of a tier with a tower: four of the tower and of text, two of each prompt. */
const checksOfTier = 8;

describe.skipIf(absent !== null)(`mlx-vlm${absent === null ? "" : ` (${absent})`}`, () => {
  let scratch: string;
  let checks: readonly Check[];
  const outOf = (name: string) => join(scratch, name.replaceAll(/\W+/g, "-"));

  async function make(base: string, out: string, flags: readonly string[]): Promise<string[]> {
    const { code, stderr } = await runCli(["quantize", base, "--out", out, ...flags]);
    if (code !== 0) throw new Error(stderr);
    return (await readdir(out)).map((tier) => join(out, tier));
  }

  // Python starts once for all tests of this file: its imports take longer than a test.
  beforeAll(async () => {
    scratch = await scratchFolder();
    const tasks: object[] = [];
    for (const [task, { type, flags, tiers, bare }] of Object.entries(cases)) {
      const base = visionBase(join(scratch, type, "base"), undefined, type);
      const without = [...flags, "--carry", "none", "--tiers", bare ?? ""];
      tasks.push({
        task,
        base,
        tiers: await make(base, outOf(task), [...flags, "--tiers", tiers]),
        bare: bare === undefined ? [] : await make(base, `${outOf(task)}-bare`, without),
        prompts: join(towers, "prompts.json"),
        seen: join(towers, "ref_vision_f32_torch.npy"),
        logits: {
          picture: join(towers, `ref_${type}_picture_f32_torch.npy`),
          video: join(towers, `ref_${type}_video_f32_torch.npy`),
        },
      });
    }
    await writeFile(join(scratch, "tasks.json"), JSON.stringify(tasks));
    if (!("path" in python)) throw new Error(python.reason);
    const printed = await runMlx(python.path, [script, join(scratch, "tasks.json")]);
    const lines = printed.split("\n").filter((line) => line.startsWith('{"task"'));
    checks = lines.map((line) => JSON.parse(line));
  }, 600_000);
  afterAll(() => removeFolder(scratch));

  test.each(Object.entries(cases))(
    "reads the tower, and sees what transformers sees in a picture and a video: %s",
    async (task, { tiers, bare }) => {
      const own = checks.filter((one) => one.task === task);
      expect(own.filter(({ ok }) => !ok)).toEqual([]);
      const count = tiers.split(",").length;
      expect(own).toHaveLength(count * checksOfTier + (bare === undefined ? 0 : 1));
      const base = join(scratch, cases[task]!.type, "base");
      for (const tier of await readdir(outOf(task))) {
        const [copy, from] = [join(outOf(task), tier), base].map((folder) =>
          readFile(join(folder, "preprocessor_config.json"), "utf8"),
        );
        expect(await copy).toBe(await from);
      }
    },
  );

  test("a tier that carries nothing has no trace of the tower", async () => {
    const out = `${outOf("qwen3_5, rounded")}-bare`;
    for (const tier of await readdir(out)) {
      const config = JSON.parse(await readFile(join(out, tier, "config.json"), "utf8"));
      expect(config).not.toHaveProperty("vision_config");
      expect(existsSync(join(out, tier, "preprocessor_config.json"))).toBe(false);
      expect(existsSync(join(out, tier, "mtp.safetensors"))).toBe(false);
      const index = await readFile(join(out, tier, "model.safetensors.index.json"), "utf8");
      expect(index).not.toContain("vision_tower");
    }
  });
});
