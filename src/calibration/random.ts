/** Uniform in [0, 1), in steps of 2^-32. */
export type Random = () => number;

/**
 * Random numbers from 32-bit integer arithmetic alone (splitmix32: a Weyl sequence through the
 * finalizer of MurmurHash3). A seed gives the same rows on every machine and in every Node release.
 */
export function seededRandom(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    return scramble(state) / 2 ** 32;
  };
}

/** The finalizer of MurmurHash3: mixes 32 bits to a number from 0 to 2^32 - 1. */
export function scramble(bits: number): number {
  let z = bits;
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return (z ^ (z >>> 16)) >>> 0;
}

/** FNV-1a over UTF-16 units: gives each named stream its own seed. */
export function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** A copy in random order (Fisher–Yates). */
export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const order = [...items];
  for (let last = order.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other]!, order[last]!];
  }
  return order;
}

/**
 * Starts of `count` windows of `length` in `total` places, ascending, without overlap. The places
 * that remain are distributed at random before, between and after the windows.
 * Needs `count * length <= total`.
 */
export function windowStarts(
  count: number,
  length: number,
  total: number,
  random: Random,
): number[] {
  const free = total - count * length;
  const gaps = Array.from({ length: count }, () => Math.floor(random() * (free + 1))).sort(
    (a, b) => a - b,
  );
  return gaps.map((gap, index) => gap + index * length);
}
