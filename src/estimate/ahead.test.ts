import { describe, expect, test } from "vitest";
import { smallest } from "../../test/support/models.ts";
import { alone, plans, series, shape } from "../../test/support/series-30b.ts";
import { readBase } from "../base/base.ts";
import { openFolder } from "../checkpoint/folder.ts";
import { planTier } from "../plan/plan.ts";
import { tiers } from "../plan/tiers.ts";
import { paysAhead, shareAhead } from "./ahead.ts";
import { shapeOf } from "./model-shape.ts";
import { estimateRun } from "./run-estimate.ts";

describe("a job ahead of the tiers of the 30B model", () => {
  const shares = shareAhead(series)!;

  test("makes more of the tiers whose own jobs are longer", () => {
    const { first } = shares;
    expect(first.every((block) => block > 0 && block < shape.blocks.length)).toBe(true);
    expect(first.toSorted((a, b) => b - a)).toEqual(first); // oQ8e, oQ6e, oQ5e, oQ4e
    expect(first[0]).toBeGreaterThan(first[3]!);
  });

  test("takes a fourth of the longest job, and is not the longest itself", () => {
    expect(shares.longest).toBeLessThan(0.75 * shares.alone);
    expect(shares.ahead).toBeLessThan(shares.longest);
    expect(paysAhead(shares)).toBe(true);
  });

  test("counts a tier's own job as the estimate of the run does", () => {
    const { stages } = estimateRun(alone);
    const all = stages.reduce((sum, { operations }) => sum + operations, 0);
    expect(shareAhead(alone)!.alone / all).toBeCloseTo(1 / 1.12, 1);
  });

  test("shares the same way whatever the order of the tiers, and less with a job ahead alone", () => {
    const reversed = shareAhead({ ...series, plans: plans.toReversed() })!;
    expect(reversed.first).toEqual(shares.first.toReversed());
    // One tier gets more of the job ahead.
    expect(shareAhead(alone)!.longest).toBeLessThan(shares.longest);
  });

  test("passes all blocks of a tier whose routers are repaired", () => {
    const tuning = { ...series.tuning!, repaired: 8192 };
    const repaired = shareAhead({ ...series, tuning })!;
    const saved = (own: typeof shares) => own.alone - own.longest;
    expect(saved(repaired)).toBeLessThan(saved(shares));
  });

  test("is nothing for blocks that depend on those before them, or are rounded", () => {
    const tuning = { ...series.tuning!, sequential: true };
    expect(shareAhead({ ...series, tuning })).toBeNull();
    expect(shareAhead({ ...series, tuning: null })).toBeNull();
  });
});

test("a small model is not worth another runner", async () => {
  const folder = await openFolder(smallest.nemotron_h!);
  const base = await readBase(folder, { allowHeaderOnly: true });
  await base.checkpoint.close();
  const work = {
    shape: shapeOf(base),
    plans: [tiers[1]!, tiers[3]!].map((tier) => planTier(tier, base)),
    tuning: { ...series.tuning!, tokens: 128 },
    evaluation: { tokens: 512, sparse: 512, rounded: 3 },
  };
  const shares = shareAhead(work)!;
  expect(shares.longest).toBeLessThan(shares.alone);
  expect(paysAhead(shares)).toBe(false);
});
