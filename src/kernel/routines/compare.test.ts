import { afterAll, expect, test } from "vitest";
import {
  asWeight,
  newMatrix,
  rowsOf,
  sharedDoubles,
  sharedIntegers,
  weightRows,
} from "../matrix.ts";
import { openKernel } from "../pool.ts";
import { comparisonColumns } from "./compare.ts";

const kernel = await openKernel({ workers: 2 });
afterAll(() => kernel.close());

/** Hidden states of some positions and a head, from which no two logits are equal. */
function predictions(positions: number, vocabulary: number, phase: number) {
  const [x, head] = [newMatrix(positions, 3), newMatrix(vocabulary, 3)];
  for (const { data } of [x, head])
    for (let i = 0; i < data.length; i++) data[i] = 1.5 * Math.sin(phase + i * 0.7 + (i % 13));
  const bias = newMatrix(1, vocabulary).data.fill(phase);
  return { x, weight: asWeight(head.data, 3), head, bias };
}

/** Logarithms of the probabilities after position t. */
function logarithms({ x, head, bias }: ReturnType<typeof predictions>, t: number): number[] {
  const logits = Array.from({ length: head.rows }, (_, v) =>
    [0, 1, 2].reduce((sum, i) => sum + x.data[3 * t + i]! * head.data[3 * v + i]!, bias[v]!),
  );
  const norm = Math.log(logits.reduce((sum, value) => sum + Math.exp(value), 0));
  return logits.map((value) => value - norm);
}

test("divergences agree with their definition for any number of positions", async () => {
  const vocabulary = 37;
  for (const positions of [1, 15, 16, 17, 33]) {
    const [base, ...models] = [0, 0.2, 0.4].map((phase) =>
      predictions(positions, vocabulary, phase),
    );
    const next = sharedIntegers(positions);
    next.forEach((_, i) => {
      next[i] = (i * 5) % vocabulary;
    });
    const out = models.map(() => sharedDoubles(comparisonColumns * positions));
    for (const [first, end] of [
      [0, 8],
      [8, 9],
      [9, vocabulary],
    ] as const) {
      const part = ({ x, weight, bias }: ReturnType<typeof predictions>) => {
        return { x, weight: weightRows(weight, first, end), bias: bias.subarray(first, end) };
      };
      await kernel.run("compare", {
        base: part(base!),
        models: models.map(part),
        first,
        next,
        out,
      });
    }
    for (const [m, model] of models.entries()) {
      for (let t = 0; t < positions; t++) {
        const [p, q] = [logarithms(base!, t), logarithms(model, t)];
        const divergence = p.reduce((sum, value, i) => sum + Math.exp(value) * (value - q[i]!), 0);
        const same = p.indexOf(Math.max(...p)) === q.indexOf(Math.max(...q));
        const expected = [divergence, p[next[t]!]!, q[next[t]!]!, Number(same)];
        for (const [i, value] of expected.entries())
          expect(out[m]![comparisonColumns * t + i]).toBeCloseTo(value, 5);
      }
    }
  }
});

test("contradicting operands are refused", async () => {
  const base = predictions(2, 5, 0);
  const job = { base, models: [base], first: 0, next: sharedIntegers(2), out: [sharedDoubles(26)] };
  const refused = (change: object) =>
    expect(kernel.run("compare", { ...job, ...change })).rejects.toMatchObject({
      code: "INTERNAL",
    });
  await refused({ next: sharedIntegers(3) });
  await refused({ out: [sharedDoubles(25)] });
  await refused({ out: [] });
  await refused({ models: [{ ...base, x: rowsOf(base.x, 0, 1) }] });
  await refused({ models: [{ ...base, weight: weightRows(base.weight, 0, 4) }] });
  await refused({ models: [{ ...base, x: newMatrix(2, 4) }] });
  await refused({ models: [{ ...base, bias: base.bias.subarray(1) }] });
});
