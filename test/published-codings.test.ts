import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TierPlan } from "../src/plan/plan-types.ts";
import { makeCheckpoint } from "./support/checkpoints.ts";
import { runCli } from "./support/cli-run.ts";
import { removeFolder, scratchFolder } from "./support/models.ts";
import { configLike, writePublished } from "./support/published.ts";
import { planned, refused } from "./support/published-models.ts";

/**
 * Repositories as makers publish them, of their sizes: settings, names and shapes are theirs. Each
 * is planned from its headers as the floats would be, or refused with the repository to use
 * instead.
 */

let folder: string;
beforeAll(async () => {
  folder = await scratchFolder();
});
afterAll(() => removeFolder(folder));

const plan = (base: string) =>
  runCli(["plan", base, "--json", "--policy", "oq", "--floors", "none"]);

describe("a model that its makers publish as codes alone is planned as its floats", () => {
  test.each(Object.entries(planned))("%s", async (_, { words, ...published }) => {
    const base = await writePublished(folder, published);
    const { code, stdout, stderr } = await plan(base);
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringMatching(words) });
    const floats = `${base}-floats`;
    await makeCheckpoint(floats, configLike(published.like), 1, "header-only");
    const [tiers, ofFloats] = [stdout, (await plan(floats)).stdout].map(
      (text): TierPlan[] => JSON.parse(text).tiers,
    ) as [TierPlan[], TierPlan[]];
    if (!words.source.includes("MXFP4")) {
      // Bits of decoded values are counted as those of floats.
      expect(ofFloats).toEqual(tiers);
      return;
    }
    // Codes that MLX reads take the place of affine ones; all else is planned as of floats.
    for (const [i, { modules, bytes }] of tiers.entries()) {
      const kept = Object.keys(modules).filter((path) => modules[path]!.mode === "mxfp4");
      expect(kept.every((path) => /\.experts\.(gate|up|down)_proj$/.test(path))).toBe(true);
      expect(kept.length).toBeGreaterThan(0);
      const affine = { ...ofFloats[i]!.modules, ...pick(modules, kept) };
      expect(modules).toEqual(affine);
      expect(bytes).toBeLessThan(ofFloats[i]!.bytes);
    }
  });
});

function pick<T>(from: Readonly<Record<string, T>>, names: readonly string[]): Record<string, T> {
  return Object.fromEntries(names.map((name) => [name, from[name]!]));
}

describe("a quantization beside floats is refused, and the floats are named", () => {
  test.each(Object.entries(refused))("%s", async (_, [published, why, instead]) => {
    const base = await writePublished(folder, published);
    const { code, stdout, stderr } = await plan(base);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    const errors = stderr.split("\n").filter((line) => line.startsWith("error: "));
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain("[ALREADY_QUANTIZED]");
    expect(errors[0]).toMatch(why);
    expect(stderr).toContain(instead);
  });
});
