import { expect, test } from "vitest";
import { soak } from "./support/soak.ts";

test("sixty faults end in the right bytes or in one clear error", async () => {
  const { faults, runs } = await soak({ seed: 7, faults: 60, log: () => {} });
  expect(faults).toBeGreaterThanOrEqual(60);
  expect(runs).toBeGreaterThan(4);
});
