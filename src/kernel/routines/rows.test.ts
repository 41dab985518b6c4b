import { afterAll, expect, test } from "vitest";
import { type Matrix, newMatrix, sharedFloats, sharedIntegers } from "../matrix.ts";
import { openKernel } from "../pool.ts";

const kernel = await openKernel({ workers: 2 });
afterAll(() => kernel.close());

function wave(rows: number, columns: number, phase = 0): Matrix {
  const matrix = newMatrix(rows, columns);
  matrix.data.forEach((_, i) => {
    matrix.data[i] = 2 * Math.sin(phase + i * 0.9 + (i % 7));
  });
  return matrix;
}

function softmax(row: readonly number[]): number[] {
  const sum = row.reduce((total, value) => total + Math.exp(value), 0);
  return row.map((value) => Math.exp(value) / sum);
}

const rowsOf = ({ data, rows, columns }: Matrix) =>
  Array.from({ length: rows }, (_, i) => Array.from(data.slice(i * columns, (i + 1) * columns)));

test("rows with NaN or infinities become zeros and are counted; finite rows stay", async () => {
  const x = wave(5, 64);
  x.data[70] = Number.NaN;
  x.data[3 * 64] = Number.NEGATIVE_INFINITY;
  x.data.fill(3e38, 4 * 64);
  const before = rowsOf(x);
  expect(await kernel.run("screen", { x })).toEqual({ dropped: 2 });
  expect(rowsOf(x)).toEqual(before.map((row, i) => (i === 1 || i === 3 ? row.map(() => 0) : row)));
});

test("scale multiplies columns by factors, weigh rows by square roots of weights", async () => {
  const x = wave(3, 5);
  const [plain, factors, weights, y] = [rowsOf(x), sharedFloats(5), wave(3, 2), newMatrix(3, 5)];
  factors.set([1, 2, 0.5, -1, 0]);
  weights.data.forEach((value, i) => {
    weights.data[i] = Math.abs(value);
  });
  const before = { sum: 2, squares: 3 };
  const sums = await kernel.run("weigh", { x, weights, kind: 1, y, before });
  const own = [1, 3, 5].map((i) => weights.data[i]!);
  expect(sums.sum).toBeCloseTo(
    own.reduce((a, b) => a + b, 2),
    12,
  );
  expect(sums.squares).toBeCloseTo(
    own.reduce((a, b) => a + b * b, 3),
    12,
  );
  expect(rowsOf(y)).toEqual(
    plain.map((row, i) => row.map((value) => Math.fround(Math.sqrt(own[i]!) * value))),
  );
  await kernel.run("scale", { x, factors });
  expect(rowsOf(x)).toEqual(
    plain.map((row) => row.map((value, i) => Math.fround(value * factors[i]!))),
  );
});

test("Fisher weights and contexts agree with their definitions", async () => {
  for (const positions of [1, 15, 16, 17, 40]) {
    const [vocabulary, groups] = [37, sharedIntegers(37)];
    groups.forEach((_, v) => {
      groups[v] = v % 3;
    });
    const logits = wave(positions, vocabulary);
    const sums = newMatrix(positions, 3);
    await kernel.run("fisherWeights", { logits, groups, sums });
    const z = wave(positions, 4, 1);
    const contexts = newMatrix(vocabulary, 4);
    contexts.data.fill(0.5);
    await kernel.run("contexts", { logits, z, contexts });
    const expected = Array.from({ length: vocabulary }, () => [0.5, 0.5, 0.5, 0.5]);
    for (const [t, row] of rowsOf(logits).entries()) {
      const variances = softmax(row).map((p) => p * (1 - p));
      for (let group = 0; group < 3; group++) {
        const sum = variances.filter((_, v) => groups[v] === group).reduce((a, b) => a + b);
        expect(sums.data[3 * t + group]).toBeCloseTo(sum, 6);
      }
      for (const [v, variance] of variances.entries()) {
        for (let k = 0; k < 4; k++) expected[v]![k]! += variance * z.data[4 * t + k]!;
      }
    }
    for (const [v, row] of rowsOf(contexts).entries()) {
      for (let k = 0; k < 4; k++) expect(row[k]).toBeCloseTo(expected[v]![k]!, 5);
    }
  }
});

test("points of the same direction get the same group, in every run", async () => {
  const points = () => {
    const matrix = newMatrix(60, 8);
    for (let i = 0; i < 60; i++) {
      // Points near three directions, of any length; one point at the origin.
      if (i === 59) continue;
      matrix.data[8 * i + (i % 3)] = 1 + (i % 5);
      matrix.data[8 * i + 7] = 0.1 * Math.sin(i);
    }
    return matrix;
  };
  const labels = [sharedIntegers(60), sharedIntegers(60)] as const;
  for (const out of labels)
    await kernel.run("cluster", { points: points(), groups: 3, rounds: 5, labels: out });
  expect(labels[0]).toEqual(labels[1]);
  const bundles = [0, 1, 2].map(
    (bundle) => new Set([...labels[0]].filter((_, i) => i % 3 === bundle && i < 59)),
  );
  expect(bundles.map((found) => found.size)).toEqual([1, 1, 1]);
  expect(new Set(bundles.flatMap((found) => [...found])).size).toBe(3);
  expect(labels[0][59]).toBe(0);
});
