import { afterAll, expect, test } from "vitest";
import { factorize } from "../factorize.ts";
import { cross } from "../grams.ts";
import { type Matrix, newMatrix, sharedIntegers } from "../matrix.ts";
import { openKernel } from "../pool.ts";
import { newTriangle, rowOf } from "../triangle.ts";

const kernels = await Promise.all([1, 3].map((workers) => openKernel({ workers })));
const kernel = kernels[1]!;
afterAll(() => Promise.all(kernels.map((kernel) => kernel.close())));

function activations(rows: number, columns: number, seed: number): Matrix {
  const x = newMatrix(rows, columns);
  for (let i = 0; i < x.data.length; i++)
    x.data[i] = Math.sin(i * 1.3 + (i % 17) * seed) * (1 + (i % columns) / columns);
  return x;
}

const numbered = (numbers: readonly number[]) => {
  const shared = sharedIntegers(numbers.length);
  shared.set(numbers);
  return shared;
};

test("solutions are in natural order for any order of the factor", async () => {
  for (const [d, rows] of [
    [1, 1],
    [3, 2],
    [65, 7],
    [200, 9],
  ] as const) {
    const order = numbered(
      Array.from({ length: d }, (_, i) => (i % 2 === 0 ? i / 2 : d - 1 - (i - 1) / 2)),
    );
    const x = activations(2 * d, d, 1);
    // H in float64, in the factor's order.
    const h = new Float64Array(d * d);
    for (let t = 0; t < x.rows; t++) {
      for (let i = 0; i < d; i++)
        for (let j = 0; j < d; j++) h[i * d + j]! += x.data[t * d + i]! * x.data[t * d + j]!;
    }
    for (let i = 0; i < d; i++) h[i * d + i]! += 1;
    const factor = newTriangle(d);
    for (let p = 0; p < d; p++)
      for (let q = p; q < d; q++) factor[rowOf(d, p) + q] = h[order[p]! * d + order[q]!]!;
    expect(await factorize(kernel, factor, d)).toEqual({ pivot: null });
    const b = activations(rows, d, 2);
    const solved = newMatrix(rows, d);
    solved.data.set(b.data);
    await kernel.run("solve", { factor, order, b: solved });
    let worst = 0;
    for (let row = 0; row < rows; row++) {
      for (let j = 0; j < d; j++) {
        let [back, size] = [0, 0];
        for (let k = 0; k < d; k++) {
          const term = solved.data[row * d + k]! * h[k * d + j]!;
          back += term;
          size += Math.abs(term);
        }
        worst = Math.max(worst, Math.abs(back - b.data[row * d + j]!) / (1 + size));
      }
    }
    expect(worst).toBeLessThan(1e-5);
  }
});

test("a factor of several panels is solved by parts of it", async () => {
  // Upper, with elements near the diagonal and far from it, so that H·x takes few operations.
  const [d, rows] = [4500, 3];
  const order = numbered(Array.from({ length: d }, (_, i) => (i * 7 + 3) % d));
  const factor = newTriangle(d);
  const far = [1, 40, 2100, 4200];
  for (let p = 0; p < d; p++) {
    factor[rowOf(d, p) + p] = 1 + (p % 5) / 4;
    for (const step of far.filter((step) => p + step < d))
      factor[rowOf(d, p) + p + step] = 0.2 * Math.sin(p + step);
  }
  const at = (p: number, q: number) => factor[rowOf(d, p) + q]!;
  const x = activations(rows, d, 1);
  const b = newMatrix(rows, d);
  for (let row = 0; row < rows; row++) {
    const position = (p: number) => row * d + order[p]!;
    const y = Array.from({ length: d }, (_, p) =>
      [0, ...far].reduce(
        (sum, step) => sum + (p + step < d ? at(p, p + step) * x.data[position(p + step)]! : 0),
        0,
      ),
    );
    for (let p = 0; p < d; p++) {
      b.data[position(p)] = [0, ...far].reduce(
        (sum, step) => sum + (p >= step ? at(p - step, p) * y[p - step]! : 0),
        0,
      );
    }
  }
  await kernel.run("solve", { factor, order, b });
  const worst = b.data.reduce((most, value, i) => Math.max(most, Math.abs(value - x.data[i]!)), 0);
  expect(worst).toBeLessThan(2e-5);
});

test("moments of two inputs are XᵀY over the given rows, for any number of workers", async () => {
  const [x, y] = [activations(1100, 30, 1), activations(1100, 700, 2)];
  const rows = numbered([...Array(1100).keys()].filter((i) => i % 5 !== 0));
  const [sums, others] = await Promise.all(
    kernels.map(async (kernel) => {
      const sums = newMatrix(30, 700);
      await cross(kernel, { x, y, sums, rows });
      return sums;
    }),
  );
  expect(Buffer.from(others!.data.buffer).equals(Buffer.from(sums!.data.buffer))).toBe(true);
  for (const [i, j] of [
    [0, 0],
    [29, 699],
    [11, 400],
  ] as const) {
    let [sum, size] = [0, 0];
    for (const row of rows) {
      const term = x.data[row * 30 + i]! * y.data[row * 700 + j]!;
      sum += term;
      size += Math.abs(term);
    }
    expect(Math.abs(sums!.data[i * 700 + j]! - sum)).toBeLessThan(1e-6 * size);
  }
});

test("a difference replaces x, and its squares are summed up", async () => {
  const [x, from] = [activations(5, 7, 1), activations(5, 7, 3)];
  const expected = from.data.map((value, i) => value - x.data[i]!);
  const { squares } = await kernel.run("subtract", { x, from });
  expect(x.data).toEqual(expected);
  expect(squares).toBeCloseTo(
    expected.reduce((sum, value) => sum + value * value, 0),
    5,
  );
});

test("operands of another shape are refused", async () => {
  const b = newMatrix(2, 3);
  const job = { factor: newTriangle(3), order: numbered([2, 0, 1]), b };
  for (const change of [
    { factor: newTriangle(4) },
    { order: numbered([0, 1, 1]) },
    { order: numbered([0, 1]) },
  ]) {
    await expect(kernel.run("solve", { ...job, ...change })).rejects.toMatchObject({
      code: "INTERNAL",
    });
  }
  await expect(kernel.run("subtract", { x: b, from: newMatrix(3, 2) })).rejects.toMatchObject({
    code: "INTERNAL",
  });
  await expect(
    cross(kernel, { x: b, y: newMatrix(1, 3), sums: newMatrix(3, 3), rows: numbered([0]) }),
  ).rejects.toMatchObject({
    code: "INTERNAL",
  });
});
