import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Kernel } from "../kernel/kernel-types.ts";
import { newMatrix } from "../kernel/matrix.ts";
import { openKernel } from "../kernel/pool.ts";
import { newTriangle } from "../kernel/triangle.ts";
import { Ops } from "../models/ops.ts";
import { type KnownError, lookupErrorOf, lookupResult, lookupWeight } from "./lookup-errors.ts";

let kernel: Kernel;
beforeAll(async () => {
  kernel = await openKernel({ workers: 2 });
});
afterAll(() => kernel.close());

/** L = [[6, 2], [2, 2]]: its mean diagonal is 4. Its upper triangle. */
const sums = newTriangle(2);
sums.set([6, 2, 2]);
const gram = { sums, columns: 2, tokens: 1, release: () => {} };

describe("the moments of looked-up errors", () => {
  const weights = Float64Array.of(1, 3);

  test("are those of L with a mean diagonal of 1", async () => {
    const e = newMatrix(2, 2);
    e.data.set([1, 0, 1, -2]);
    const found = await lookupErrorOf(new Ops(kernel), e, { weight: lookupWeight(gram), weights });
    // L e = (6, 2) / 4 and (2, -2) / 4; the second token counts thrice.
    expect(found.power).toBeCloseTo(6 / 4 + 3 * (6 / 4), 6);
    expect(found.steep).toBeCloseTo(40 / 16 + 3 * (8 / 16), 6);
  });

  test("are the power of the errors without L", async () => {
    const e = newMatrix(2, 2);
    e.data.set([1, 0, 1, -2]);
    const found = await lookupErrorOf(new Ops(kernel), e, { weight: null, weights });
    expect(found).toEqual({ power: 16, steep: 16 });
  });
});

describe("results of an error that was not probed", () => {
  const known = (power: number, steep: number, kl: number): KnownError => ({
    error: { power, steep },
    result: { divergence: Float64Array.of(kl, 2 * kl), flipPower: 10 * kl },
  });
  const [flat, steep] = [known(2, 2, 4), known(1, 5, 10)] as const; // 2 and 10 a unit of power

  test("lie between those of two probes, by how steep it is", () => {
    const { divergence, flipPower } = lookupResult({ power: 3, steep: 9 }, [flat, steep]);
    expect([...divergence]).toEqual([18, 36]); // 6 a unit
    expect(flipPower).toBe(180);
  });

  test("are those of a probe for its own error", () => {
    expect(lookupResult(steep.error, [flat, steep])).toEqual(steep.result);
  });

  test("have the gain of the nearer probe outside, and no less than 0", () => {
    expect(lookupResult({ power: 1, steep: 0 }, [flat, steep]).divergence[0]).toBe(2);
    expect(lookupResult({ power: 1, steep: 99 }, [flat, steep]).divergence[0]).toBe(10);
  });

  test("are in proportion to a single probe's, and 0 where that changed nothing", () => {
    expect(lookupResult({ power: 1, steep: 1 }, [flat]).divergence[0]).toBe(2);
    expect(lookupResult({ power: 1, steep: 1 }, [known(0, 0, 0)]).divergence[0]).toBe(0);
  });
});
