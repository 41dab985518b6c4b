import { afterAll, expect, test } from "vitest";
import { asWeight, newMatrix, rowsOf, sharedIntegers, weightRows } from "../kernel/matrix.ts";
import { openKernel } from "../kernel/pool.ts";
import { comparisonColumns } from "../kernel/routines/compare.ts";
import type { Head } from "../models/run.ts";
import { compareHidden, type Predictions } from "./compare-hidden.ts";

const [positions, vocabulary, hidden] = [300, 5000, 8];
const kernels = await Promise.all([1, 2].map((workers) => openKernel({ workers })));
afterAll(() => Promise.all(kernels.map((kernel) => kernel.close())));

/** Values of -1.2 … 1.2 without a pattern. */
function values(rows: number, columns: number, phase: number) {
  const matrix = newMatrix(rows, columns);
  for (let i = 0; i < matrix.data.length; i++)
    matrix.data[i] = 1.2 * Math.sin(phase + i * i * 0.37);
  return matrix;
}

/** A head that is read in two parts, and counts the rows that are read. */
function countedHead(phase: number) {
  const weight = asWeight(values(vocabulary, hidden, phase).data, hidden);
  let rows = 0;
  const head: Head = {
    ...{ vocabulary, hidden },
    read: async (start, end) => {
      rows += end - start;
      return { weight: weightRows(weight, start, end), bias: null };
    },
  };
  return { head, weight, rowsRead: () => rows };
}

const heads = [countedHead(0), countedHead(0.02)];
const base = { hidden: values(positions, hidden, 1), head: heads[0]!.head };
/** More models than one job compares; the odd ones have another head. */
const models = Array.from({ length: 14 }, (_, i): Predictions => {
  const x = values(positions, hidden, 1 + i / 500);
  const range = async (start: number, end: number) => rowsOf(x, start, end);
  return { hidden: i < 7 ? x : { rows: positions, range }, head: heads[i % 2]!.head };
});
const next = sharedIntegers(positions).map((_, t) => (t * 619) % vocabulary);

/** Logarithms of the probabilities at a position, in float64. */
function logarithms(phase: number, head: number, t: number): number[] {
  const x = values(positions, hidden, phase).data.subarray(t * hidden, (t + 1) * hidden);
  const { bytes } = heads[head]!.weight;
  const weights = new Float32Array(bytes.buffer);
  const logits = Array.from({ length: vocabulary }, (_, v) =>
    x.reduce((sum, value, i) => sum + value * weights[v * hidden + i]!, 0),
  );
  const norm = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
  return logits.map((logit) => logit - norm);
}

test("all models are compared over a vocabulary in parts, and each head is read once", async () => {
  const nextTokens = sharedIntegers(positions);
  nextTokens.set(next);
  const [one, two] = await Promise.all(
    kernels.map((kernel) => compareHidden(kernel, { base, models, next: nextTokens })),
  );
  expect(two).toEqual(one);
  expect(heads.map(({ rowsRead }) => rowsRead())).toEqual([2 * vocabulary, 2 * vocabulary]);
  for (const model of [0, 3, 13]) {
    for (const t of [0, 255, 299]) {
      const p = logarithms(1, 0, t);
      const q = logarithms(1 + model / 500, model % 2, t);
      const kl = p.reduce((sum, value, i) => sum + Math.exp(value) * (value - q[i]!), 0);
      const [divergence, ours, theirs] = one![model]!.subarray(comparisonColumns * t);
      expect(divergence).toBeCloseTo(kl, 6);
      expect(ours).toBeCloseTo(p[next[t]!]!, 5);
      expect(theirs).toBeCloseTo(q[next[t]!]!, 5);
    }
  }
});

test("a model may have the first positions alone", async () => {
  const kernel = kernels[0]!;
  const nextTokens = sharedIntegers(positions);
  nextTokens.set(next);
  const firstStates = values(positions, hidden, 1);
  const shorter = models.map((model, i): Predictions => {
    return i % 2 === 0 ? model : { ...model, hidden: rowsOf(firstStates, 0, 256) };
  });
  const same = models.map((model, i) => (i % 2 === 0 ? model : { ...model, hidden: firstStates }));
  const expected = await compareHidden(kernel, { base, models: same, next: nextTokens });
  const found = await compareHidden(kernel, { base, models: shorter, next: nextTokens });
  for (const [i, results] of found.entries()) {
    const rows = i % 2 === 0 ? positions : 256;
    expect(results).toEqual(expected[i]!.subarray(0, comparisonColumns * rows));
  }
});
