import { describe, expect, test } from "vitest";
import { fillKnapsack, type Option, smallestBytes } from "./knapsack.ts";

/** A generator of numbers from 0 to 1 (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The least cost of all choices that fit; null if none fits. */
function bruteForce(items: readonly (readonly Option[])[], budget: number): number | null {
  let sums = [{ bytes: 0, cost: 0 }];
  for (const options of items) {
    sums = sums.flatMap((sum) =>
      options.map(({ bytes, cost }) => ({ bytes: sum.bytes + bytes, cost: sum.cost + cost })),
    );
  }
  const costs = sums.filter((sum) => sum.bytes <= budget).map((sum) => sum.cost);
  return costs.length === 0 ? null : Math.min(...costs);
}

type Draw = (random: () => number) => Option;
const whole = (random: () => number, most: number) => Math.floor(random() * most);

const kinds: Record<string, (random: () => number) => Draw> = {
  "uncorrelated sizes and costs": () => (random) => ({
    bytes: whole(random, 1000),
    cost: random(),
  }),
  "few sizes, many ties": () => (random) => ({ bytes: whole(random, 4), cost: whole(random, 4) }),
  "strongly correlated": () => (random) => {
    const bytes = 1 + whole(random, 50);
    return { bytes, cost: 100 - 2 * bytes + whole(random, 2) };
  },
  "costs that fall with size, like those of widths": (random) => {
    const [size, worth] = [1 + whole(random, 100), random() ** 4];
    return (inner) => {
      const bits = [3, 4, 5, 6, 8][whole(inner, 5)]!;
      return { bytes: size * bits, cost: worth * 4 ** -bits * (0.8 + 0.4 * inner()) };
    };
  },
  "negative costs and huge sizes": () => (random) => ({
    bytes: whole(random, 2 ** 40),
    cost: random() - 0.5,
  }),
};

describe.each(Object.keys(kinds))("%s", (kind) => {
  test("have the cost that brute force finds", () => {
    for (let seed = 1; seed <= 400; seed++) {
      const random = seeded(seed);
      const items = Array.from({ length: 1 + whole(random, 7) }, () => {
        const draw = kinds[kind]!(random);
        return Array.from({ length: 1 + whole(random, 5) }, () => draw(random));
      });
      const most = items.reduce(
        (sum, options) => sum + Math.max(...options.map((option) => option.bytes)),
        0,
      );
      const budget = Math.floor((0.1 + random()) * most);
      const expected = bruteForce(items, budget);
      const choice = fillKnapsack(items, budget);
      if (expected === null) {
        expect(choice, `seed ${seed}`).toBe(null);
        expect(smallestBytes(items)).toBeGreaterThan(budget);
        continue;
      }
      expect(choice!.bytes).toBeLessThanOrEqual(budget);
      expect(choice!.gap).toBe(0);
      expect(Math.abs(choice!.cost - expected), `seed ${seed}`).toBeLessThanOrEqual(
        1e-11 * Math.abs(expected),
      );
    }
  });
});

describe("many items", () => {
  const alike = (count: number, options: readonly Option[]) =>
    Array.from({ length: count }, () => options);

  test("that are all equal have the cost of the linear relaxation where it fits exactly", () => {
    const options = [3, 4, 5, 6, 8].map((bits) => ({ bytes: 64 * bits, cost: 4 ** -bits }));
    const choice = fillKnapsack(alike(3000, options), 64 * 3000 * 4 + 64 * 1234)!;
    // The linear relaxation mixes 4 and 5 bits, and fills the budget.
    expect(choice).toMatchObject({ gap: 0, bytes: 64 * (3000 * 4 + 1234) });
    expect(choice.cost).toBeCloseTo(1234 * 4 ** -5 + 1766 * 4 ** -4, 9);
  });

  test("that are all equal are solved when no step fills the budget exactly", () => {
    const options = [
      { bytes: 0, cost: 10 },
      { bytes: 6, cost: 4 },
      { bytes: 10, cost: 0 },
    ];
    // With 7 or 8 bytes left, the best choice trades steps of 10 for steps of 6.
    for (const budget of [5007, 5008, 5009, 3, 6, 7, 16]) {
      expect(fillKnapsack(alike(1000, options), budget)!.cost).toBe(
        byEveryByte(alike(1000, options), budget),
      );
    }
  });

  test("of all kinds have the cost that a dynamic program over bytes finds", () => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = seeded(seed);
      const draws = Object.values(kinds).slice(1, 3);
      const items = Array.from({ length: 200 }, () =>
        Array.from({ length: 5 }, () => draws[seed % 2]!(random)(random)),
      );
      const budget = smallestBytes(items) + whole(random, 2000);
      expect(fillKnapsack(items, budget)).toMatchObject({
        cost: byEveryByte(items, budget),
        gap: 0,
      });
    }
  });

  test("give the same choice each time, and none if nothing fits", () => {
    const random = seeded(7);
    const items = Array.from({ length: 500 }, () =>
      [3, 4, 5, 6, 8].map((bits) => ({
        bytes: 8 * bits * (1 + whole(random, 9)),
        cost: random() * 4 ** -bits,
      })),
    );
    const budget = smallestBytes(items) + 5000;
    expect(fillKnapsack(items, budget)).toEqual(fillKnapsack(structuredClone(items), budget));
    expect(fillKnapsack(items, smallestBytes(items))!.bytes).toBe(smallestBytes(items));
    expect(fillKnapsack(items, smallestBytes(items) - 1)).toBe(null);
    expect(fillKnapsack([], 0)).toEqual({ taken: [], cost: 0, bytes: 0, gap: 0 });
  });
});

/** The least cost within a budget, by a dynamic program over all budgets up to it. */
function byEveryByte(items: readonly (readonly Option[])[], budget: number): number {
  let least = new Float64Array(budget + 1);
  for (const options of items) {
    const next = new Float64Array(budget + 1).fill(Number.POSITIVE_INFINITY);
    for (const { bytes, cost } of options) {
      for (let size = bytes; size <= budget; size++)
        next[size] = Math.min(next[size]!, least[size - bytes]! + cost);
    }
    least = next;
  }
  return least[budget]!;
}
