import { describe, expect, test } from "vitest";
import { smallest } from "../../test/support/models.ts";
import { readBase } from "../base/base.ts";
import { openFolder } from "../checkpoint/folder.ts";
import { planTier } from "../plan/plan.ts";
import { tiers } from "../plan/tiers.ts";
import { shapeOf } from "./model-shape.ts";
import { estimateRun } from "./run-estimate.ts";

describe("a small base", () => {
  // Measured with two workers, `oqe quantize --policy oq` on 128 rows and 64 to evaluate.
  test.each([
    ["llama", 401e6],
    ["qwen3_moe", 677e6],
  ] as const)("%s needs at least what was measured, and less than 1 GB", async (type, measured) => {
    const folder = await openFolder(smallest[type]!);
    const small = await readBase(folder, { allowHeaderOnly: true });
    await small.checkpoint.close();
    const own = tiers.map((tier) => planTier(tier, small));
    const repaired = type === "llama" ? 0 : 48 * 256;
    const { least } = estimateRun({
      ...{ shape: shapeOf(small), plans: own, measuring: null, makes: true, workers: 2 },
      tuning: { tokens: 128 * 256, repaired, sequential: false, residual: false },
      evaluation: { tokens: 64 * 256, rounded: 4 },
    });
    expect(least.bytes).toBeGreaterThan(measured);
    expect(least.bytes).toBeLessThan(1e9);
  });
});
