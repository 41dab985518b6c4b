import { afterAll, expect, test } from "vitest";
import { newMatrix, sharedIntegers } from "../matrix.ts";
import { openKernel } from "../pool.ts";

const kernel = await openKernel({ workers: 2 });
afterAll(() => kernel.close());

/** Logits that differ from position to position, and do not repeat. */
function logits(positions: number, vocabulary: number, phase: number) {
  const matrix = newMatrix(positions, vocabulary);
  for (let i = 0; i < matrix.data.length; i++)
    matrix.data[i] = 3 * Math.sin(phase + i * 0.7 + (i % 13));
  return matrix;
}

test("divergences agree with their definition for any number of positions", async () => {
  for (const positions of [1, 15, 16, 17, 33]) {
    const vocabulary = 37;
    const [base, model] = [logits(positions, vocabulary, 0), logits(positions, vocabulary, 0.2)];
    const tokens = sharedIntegers(positions);
    tokens.forEach((_, i) => {
      tokens[i] = (i * 5) % vocabulary;
    });
    const out = new Float64Array(new SharedArrayBuffer(32 * positions));
    await kernel.run("compare", { base, model, next: tokens, out });
    for (let t = 0; t < positions; t++) {
      const [p, q] = [base, model].map(({ data }) => {
        const row = Array.from(data.slice(t * vocabulary, (t + 1) * vocabulary));
        const norm = Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0));
        return row.map((value) => value - norm);
      }) as [number[], number[]];
      const divergence = p.reduce((sum, value, i) => sum + Math.exp(value) * (value - q[i]!), 0);
      const same = p.indexOf(Math.max(...p)) === q.indexOf(Math.max(...q));
      const expected = [divergence, p[tokens[t]!]!, q[tokens[t]!]!, Number(same)];
      for (const [i, value] of expected.entries()) expect(out[4 * t + i]).toBeCloseTo(value, 12);
    }
  }
});

test("a token outside the vocabulary is refused", async () => {
  const base = logits(2, 5, 0);
  const next = sharedIntegers(2);
  next[1] = 5;
  const out = new Float64Array(new SharedArrayBuffer(64));
  const answer = kernel.run("compare", { base, model: base, next, out });
  await expect(answer).rejects.toMatchObject({
    code: "INTERNAL",
    message: expect.stringContaining("vocabulary"),
  });
});
