import { expect, test } from "vitest";
import { Leases, largestSpare } from "./lease.ts";

test("many jobs of mixed sizes reuse a few buffers", () => {
  const leases = new Leases();
  const seen = new Set<SharedArrayBuffer>();
  for (let i = 0; i < 1000; i++) {
    const taken = [i % 10 === 0 ? 1000 : 2 << 20, 2 << 20, i % 7 === 0 ? 10 : 2 << 20].map(
      (bytes) => leases.take(bytes),
    );
    for (const buffer of taken) seen.add(buffer);
    for (const buffer of taken) leases.give(buffer, 4);
  }
  expect(seen.size).toBeLessThanOrEqual(6);
});

test("gives the smallest free buffer that is large enough, never one in use", () => {
  const leases = new Leases();
  const [small, large] = [leases.take(1 << 20), leases.take(5 << 20)];
  leases.give(large, 4);
  leases.give(small, 4);
  expect(leases.take(100)).toBe(small);
  expect(leases.take(100)).toBe(large);
  expect(leases.take(100)).not.toBe(large);
});

test("keeps no buffer that takes a large part of the memory", () => {
  const leases = new Leases();
  const [large, small] = [leases.take(largestSpare + 1), leases.take(largestSpare)];
  leases.give(large, 4);
  leases.give(small, 4);
  expect(leases.take(100)).toBe(small);
  expect(leases.take(largestSpare + 1)).not.toBe(large);
});

test("forgets its free buffers when it is cleared", () => {
  const leases = new Leases();
  const [used, free] = [leases.take(1 << 20), leases.take(1 << 20)];
  leases.give(free, 4);
  leases.clear();
  expect(leases.take(100)).not.toBe(free);
  leases.give(used, 4);
  expect(leases.take(100)).toBe(used);
});
