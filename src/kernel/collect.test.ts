import { expect, test } from "vitest";
import { sharedBytes } from "./matrix.ts";

const mebibyte = 1 << 20;
/** Buffers of this size come from memory that the C library keeps when they are freed. */
const size = mebibyte / 8;
const make = (count: number) => Array.from({ length: count }, () => sharedBytes(size).fill(1));

test("buffers that nobody refers to stay few, also where free memory is resident", () => {
  const bytes = () => process.memoryUsage().arrayBuffers;
  const before = bytes();
  // 400 MiB, of which every eighth buffer stays: the C library can give none of the others back.
  const kept = make(3200).filter((_, i) => i % 8 === 0);
  let most = 0;
  for (let step = 0; step < 28; step++) {
    const held = make(320);
    for (let i = 0; i < 3; i++) sharedBytes(65 * mebibyte); // young collections: `held` is old now
    if (step >= 14) most = Math.max(most, bytes() - before);
    expect(held).toHaveLength(320);
  }
  expect(kept).toHaveLength(400);
  // What is kept and held, half of it in growth before a full collection, and two large buffers.
  expect(most / mebibyte).toBeLessThan(1.5 * (50 + 40) + 2 * 65);
});
