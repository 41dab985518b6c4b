import { afterAll, expect, test } from "vitest";
import { gram } from "./grams.ts";
import { type Matrix, newMatrix, sharedIntegers } from "./matrix.ts";
import { openKernel } from "./pool.ts";
import { newTriangle, rowOf } from "./triangle.ts";

const kernels = await Promise.all([1, 2, 3].map((workers) => openKernel({ workers })));
afterAll(() => Promise.all(kernels.map((kernel) => kernel.close())));

/** Activations of both signs that do not repeat. */
function activations(tokens: number, d: number): Matrix {
  const x = newMatrix(tokens, d);
  for (let i = 0; i < x.data.length; i++)
    x.data[i] = Math.sin(i * 1.3 + (i % 17)) * (1 + (i % d) / d);
  return x;
}

/** Element (i, j) of alpha·XᵀX in float64, and the sum of its terms' magnitudes. */
function expected(
  { data, rows, columns }: Matrix,
  i: number,
  j: number,
  alpha: number,
): [number, number] {
  let [sum, size] = [0, 0];
  for (let t = 0; t < rows; t++) {
    const term = alpha * data[t * columns + i]! * data[t * columns + j]!;
    sum += term;
    size += Math.abs(term);
  }
  return [sum, size];
}

test("gram adds XᵀX to the upper triangle", async () => {
  for (const [tokens, d] of [
    [1, 1],
    [3, 7],
    [257, 5],
    [64, 65],
    [300, 127],
  ] as const) {
    const x = activations(tokens, d);
    const sums = newTriangle(d).fill(7);
    await gram(kernels[1]!, { x, sums, alpha: 0.5 });
    await gram(kernels[1]!, { x, sums, alpha: 0.25 });
    for (let i = 0; i < d; i++) {
      for (let j = i; j < d; j++) {
        const [sum, size] = expected(x, i, j, 0.75);
        expect(Math.abs(sums[rowOf(d, i) + j]! - 7 - sum)).toBeLessThanOrEqual(1e-6 * (7 + size));
      }
    }
  }
});

test("the bytes are the same for 1 to 3 workers and for tokens by row number", async () => {
  const [tokens, d] = [2100, 1100]; // several tiles and several slabs
  const x = activations(tokens, d);
  const every = sharedIntegers(tokens);
  every.set(every.map((_, i) => i));
  const results = await Promise.all(
    [...kernels, kernels[0]!].map(async (kernel, i) => {
      const sums = newTriangle(d);
      await gram(kernel, { x, sums, alpha: 1, rows: i === 3 ? every : null });
      return sums;
    }),
  );
  for (const sums of results)
    expect(Buffer.compare(Buffer.from(sums.buffer), Buffer.from(results[0]!.buffer))).toBe(0);
  for (const [i, j] of [
    [0, 0],
    [3, 1099],
    [300, 700],
    [1099, 1099],
  ] as const) {
    const [sum, size] = expected(x, i, j, 1);
    expect(Math.abs(results[0]![rowOf(d, i) + j]! - sum)).toBeLessThanOrEqual(1e-6 * size);
  }
});

test("row numbers outside the matrix are refused", async () => {
  const job = {
    x: activations(3, 4),
    rows: null,
    y: null,
    sums: newTriangle(4),
    top: 0,
    bottom: 4,
    left: 0,
    right: 4,
    alpha: 1,
  };
  for (const [change, message] of [
    [{ bottom: 5, right: 5 }, "rows 0 to 5"],
    [{ bottom: 3 }, "columns 0 to 4"],
    [{ sums: newTriangle(3) }, "the sum has 6 elements, expected 10"],
    [{ rows: sharedIntegers(1).fill(3) }, "a row number outside the 3 rows"],
  ] as const) {
    const answer = kernels[0]!.run("moments", { ...job, ...change });
    await expect(answer).rejects.toMatchObject({
      code: "INTERNAL",
      message: expect.stringContaining(message),
    });
  }
});
