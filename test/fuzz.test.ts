import { beforeAll, expect, test } from "vitest";
import { fuzz } from "./hostile/fuzz.ts";
import type { Target } from "./hostile/target.ts";
import { allTargets } from "./hostile/targets.ts";

let targets: readonly Target[];
beforeAll(async () => {
  targets = await allTargets();
});

test("every sound document is read", async () => {
  for (const { name, seeds, read } of targets)
    for (const seed of seeds) expect(await read(seed), name).toBe(true);
});

test("a damaged document is a value, passed over, or one clear error", async () => {
  const cases = 25 * targets.length;
  const tallies = [...(await fuzz(targets, { seed: 1, cases })).values()];
  expect(tallies.length).toBe(targets.length);
  const ends = tallies.map(({ passed, refused }) => passed + refused);
  expect(ends.reduce((sum, one) => sum + one)).toBeGreaterThan(cases / 2);
});
