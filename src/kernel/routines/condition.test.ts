import { afterAll, describe, expect, test } from "vitest";
import { sharedFloats, sharedIntegers } from "../matrix.ts";
import { openKernel } from "../pool.ts";
import { newTriangle, rowOf } from "../triangle.ts";
import type { ConditionJob } from "./condition.ts";

const kernel = await openKernel({ workers: 1 });
afterAll(() => kernel.close());

/** The upper triangle of a symmetric matrix with the given diagonal. */
function symmetric(diagonal: readonly number[], phase: number): Float32Array<SharedArrayBuffer> {
  const d = diagonal.length;
  const matrix = newTriangle(d);
  for (let i = 0; i < d; i++) {
    matrix[rowOf(d, i) + i] = diagonal[i]!;
    for (let j = i + 1; j < d; j++) matrix[rowOf(d, i) + j] = Math.sin(phase + 3 * i + 5 * j);
  }
  return matrix;
}

function columnsOf({ length }: Float32Array): number {
  return (Math.sqrt(8 * length + 1) - 1) / 2;
}

function jobOf(
  gram: Float32Array<SharedArrayBuffer>,
  change: Partial<ConditionJob> = {},
): ConditionJob {
  const d = columnsOf(gram);
  const outputs = {
    order: sharedIntegers(d),
    diagonal: sharedFloats(d),
    factor: newTriangle(d).fill(Number.NaN),
  };
  return { gram, target: null, share: 0, damping: 0, ...outputs, ...change };
}

/** The definition, on whole matrices in float64. */
function expected({ gram, target, share, damping }: ConditionJob) {
  const d = columnsOf(gram);
  const indices = Array.from({ length: d }, (_, i) => i);
  const full = (upper: Float32Array) => (i: number, j: number) =>
    upper[rowOf(d, Math.min(i, j)) + Math.max(i, j)]!;
  const trace = (at: (i: number, j: number) => number) =>
    indices.reduce((sum, i) => sum + at(i, i), 0);
  const g = full(gram);
  const t = target ? full(target) : (i: number, j: number) => (i === j ? g(i, i) : 0);
  const scale = trace(g) / trace(t);
  const h = (i: number, j: number) => {
    return trace(g) === 0
      ? t(i, j)
      : trace(t) === 0
        ? g(i, j)
        : (1 - share) * g(i, j) + share * scale * t(i, j);
  };
  const live = indices.filter((i) => h(i, i) > 0);
  const sum = live.reduce((sum, i) => sum + h(i, i), 0);
  const mean = live.length > 0 ? sum / live.length : 1;
  const diagonal = indices.map((i) => Math.fround(live.includes(i) ? h(i, i) : mean));
  const order = [...indices].sort((a, b) => diagonal[a]! - diagonal[b]! || b - a);
  const factor = (p: number, q: number) => {
    const [i, j] = [order[p]!, order[q]!];
    if (i === j) return diagonal[i]! + damping * mean;
    return live.includes(i) && live.includes(j) ? h(i, j) : 0;
  };
  return { dead: d - live.length, mean, trace: sum, diagonal, order, factor };
}

describe("the conditioned matrix equals its definition", () => {
  const ones = [4, 1, 9, 1, 1, 25, 0.5, 1];
  const dead = [4, 0, 9, 0, 1, 25, 0.5, 0];
  const target = symmetric([1, 2, 3, 4, 5, 6, 7, 8], 2);
  const nothing = newTriangle(8);
  for (const [name, job] of [
    ["as it is", jobOf(symmetric(ones, 1))],
    ["damped", jobOf(symmetric(ones, 1), { damping: 0.01 })],
    ["shrunk to its own diagonal", jobOf(symmetric(ones, 1), { share: 0.25, damping: 0.05 })],
    ["shrunk to a target", jobOf(symmetric(ones, 1), { target, share: 0.4, damping: 0.05 })],
    ["dead columns", jobOf(symmetric(dead, 1), { share: 0.25, damping: 0.05 })],
    ["dead columns that the target knows", jobOf(symmetric(dead, 1), { target, share: 0.25 })],
    ["no token: the target", jobOf(nothing, { target, share: 0.25, damping: 0.1 })],
    ["no token and no target", jobOf(nothing, { share: 0.25, damping: 0.1 })],
    ["an empty target", jobOf(symmetric(ones, 1), { target: nothing, share: 0.25 })],
    [
      "several blocks",
      jobOf(
        symmetric(
          Array.from({ length: 100 }, (_, i) => 1 + ((i * 37) % 23)),
          1,
        ),
        { share: 0.1 },
      ),
    ],
    ["one column", jobOf(symmetric([3], 1), { damping: 0.1 })],
  ] as const) {
    test(name, async () => {
      const { dead, mean, trace, diagonal, order, factor } = expected(job);
      const answer = await kernel.run("condition", job);
      expect(answer.dead).toBe(dead);
      expect(answer.mean).toBeCloseTo(mean, 5);
      expect(answer.trace).toBeCloseTo(trace, 5);
      expect(Array.from(job.order)).toEqual(order);
      const d = order.length;
      for (let p = 0; p < d; p++) {
        expect(job.diagonal[p]).toBeCloseTo(diagonal[p]!, 5);
        for (let q = p; q < d; q++)
          expect(job.factor[rowOf(d, p) + q]).toBeCloseTo(factor(p, q), 5);
      }
    });
  }
});

test("of equal columns the higher one comes first", async () => {
  const job = jobOf(symmetric([1, 2, 1, 2, 1], 0));
  await kernel.run("condition", job);
  expect(Array.from(job.order)).toEqual([4, 2, 0, 3, 1]);
});

test("a column with NaN is not dead: the NaN reaches the factor", async () => {
  const job = jobOf(symmetric([1, Number.NaN, 3], 0));
  expect(await kernel.run("condition", job)).toEqual({
    dead: 0,
    mean: Number.NaN,
    trace: Number.NaN,
  });
  expect(job.factor.some(Number.isNaN)).toBe(true);
});

test("operands that contradict each other are refused", async () => {
  const job = jobOf(symmetric([1, 2, 3], 0));
  for (const [change, message] of [
    [{ share: 1.5 }, "a share of 1.5"],
    [{ damping: Number.NaN }, "a damping of NaN"],
    [{ target: newTriangle(4) }, "the target has 10 elements, expected 6"],
    [{ diagonal: sharedFloats(2) }, "the diagonal has 2"],
    [{ factor: job.gram }, "overwrite"],
  ] as const) {
    const answer = kernel.run("condition", { ...job, ...change });
    await expect(answer).rejects.toMatchObject({
      code: "INTERNAL",
      message: expect.stringContaining(message),
    });
  }
});
