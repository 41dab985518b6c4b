import { describe, expect, test } from "vitest";
import { fitMac } from "./mac-fit.ts";
import { verdictOf, verdictWords } from "./verdict.ts";

const gibibyte = 2 ** 30;
/** 100 kB for each token, 1 GB of state, and 131,072 tokens at most. */
const model = { cache: { perToken: 100_000, fixed: 1e9 }, contextLength: 131_072 };

describe("the smallest Mac that holds a tier", () => {
  test("has room for weights, state, runtime and 8,192 tokens; the rest is context", () => {
    // 24 GiB: 17.18 GB for the GPU. Less 12 GB of weights and 2 GB beside them, 3.18 GB are left.
    const room = (2 / 3) * 24 * gibibyte - 14e9;
    expect(fitMac(12e9, model)).toEqual({
      gibibytes: 24,
      context: Math.floor(room / 100_000),
    });
  });

  test("is a size up if one byte less than 8,192 tokens is left", () => {
    const most = (2 / 3) * 16 * gibibyte - 2e9 - 8192 * 100_000;
    expect(fitMac(Math.floor(most), model)?.gibibytes).toBe(16);
    expect(fitMac(Math.ceil(most) + 1, model)?.gibibytes).toBe(18);
  });

  test("gives three quarters to the GPU from 36 GiB on", () => {
    const most = (3 / 4) * 36 * gibibyte - 2e9 - 8192 * 100_000;
    expect(fitMac(Math.floor(most), model)?.gibibytes).toBe(36);
    expect(fitMac(Math.ceil(most) + 1, model)?.gibibytes).toBe(48);
  });

  test("has no more context than the model takes, and needs no more", () => {
    expect(fitMac(1e9, { ...model, contextLength: 512 })).toEqual({ gibibytes: 8, context: 512 });
    const alone = { cache: { perToken: 0, fixed: 1e6 }, contextLength: 4096 };
    expect(fitMac(1e9, alone)).toEqual({ gibibytes: 8, context: 4096 });
  });

  test("is told without context where the cache is not known, and is none for a giant", () => {
    expect(fitMac(1e9, { ...model, cache: null })).toEqual({ gibibytes: 8, context: null });
    expect(fitMac(500e9, model)).toBeNull();
  });
});

test.each([
  [0.002, 0.98, "near-lossless"],
  [0.00201, 0.99, "very close"],
  [0.002, 0.9799, "very close"],
  [0.05, 0.9, "close"],
  [0.05, 0.8999, "some loss"],
  [0.151, 0.99, "heavy loss"],
])("a mean KL of %d with %d same top tokens is %s", (meanKl, sameTop, verdict) => {
  expect(verdictOf({ meanKl, sameTop })).toBe(verdict);
});

test("the card states the thresholds", () => {
  expect(verdictWords()).toBe(
    "*near-lossless* up to 0.002 and from 98 %, *very close* up to 0.01 and from 95 %, " +
      "*close* up to 0.05 and from 90 %, *some loss* up to 0.15 and from 80 %, else *heavy loss*",
  );
});
