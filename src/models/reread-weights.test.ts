import { expect, test } from "vitest";
import { asWeight, newMatrix } from "../kernel/matrix.ts";
import { type KeepBytes, RereadWeights } from "./reread-weights.ts";
import type { WeightSource } from "./run.ts";

/** A matrix that says which it is. */
const matrixOf = (layer: number | null, expert = 0, start = 0) => {
  const x = newMatrix(2, 3);
  x.data.fill(100 * layer! + 10 * expert + start);
  return asWeight(x.data, 3);
};

/** A source that counts its reads, and what keeps bytes. */
function scene() {
  const seen = { reads: 0, kept: 0 };
  const source: WeightSource = {
    unquantized: async () => null,
    matrix: async (layer, _, expert, range) => {
      seen.reads++;
      return matrixOf(layer, expert, range?.[0]);
    },
  };
  const keep: KeepBytes = async (bytes) => {
    const copy = bytes.slice();
    seen.kept++;
    return {
      read: async (into, from = 0) => into.set(copy.subarray(from, from + into.length)),
      drop: async () => void seen.kept--,
    };
  };
  return { seen, source, keep };
}

test("a matrix is read once, and then where it is kept", async () => {
  const { seen, source, keep } = scene();
  const weights = new RereadWeights(source, keep, 2);
  const ask = () =>
    Promise.all([
      weights.matrix(1, "experts.up", 2),
      weights.matrix(1, "experts.up", 3),
      weights.matrix(1, "experts.up", 2, [1, 2]),
    ]);
  for (let rider = 0; rider < 3; rider++)
    expect(await ask()).toEqual([matrixOf(1, 2), matrixOf(1, 3), matrixOf(1, 2, 1)]);
  expect(seen).toEqual({ reads: 3, kept: 3 });
  await weights.close();
  expect(seen.kept).toBe(0);
});

test("a failure to keep a matrix meets the next request, whatever it asks for", async () => {
  const { source } = scene();
  const failing = async () => {
    throw new Error("the disk is full");
  };
  const weights = new RereadWeights(source, failing, 2);
  expect(await weights.matrix(0, "experts.up", 1)).toEqual(matrixOf(0, 1));
  await expect(weights.matrix(0, "experts.up", 2)).rejects.toThrow("the disk is full");
  await expect(weights.matrix(0, "experts.up", 1)).rejects.toThrow("the disk is full");
  await weights.close();
});
