import { afterAll, expect, test } from "vitest";
import { Leases } from "../kernel/lease.ts";
import { newMatrix } from "../kernel/matrix.ts";
import { openKernel } from "../kernel/pool.ts";
import { addScaled, collect, makeHessian, newGram, traceOf } from "./hessian.ts";

const kernel = await openKernel({ workers: 2 });
afterAll(() => kernel.close());
const buffers = new Leases();
const tools = { kernel, hessianBuffers: buffers };

function tokens(count: number, width: number) {
  const x = newMatrix(count, width);
  x.data.forEach((_, i) => {
    x.data[i] = Math.sin(i * 1.3 + (i % 11)) * (1 + (i % width));
  });
  return x;
}

test("with fewer tokens than columns, damping by one percent gives a factor", async () => {
  const gram = newGram(buffers, 64);
  await collect(kernel, gram, tokens(20, 64));
  const hessian = await makeHessian(tools, gram);
  expect([gram.tokens, hessian.damping]).toEqual([20, 0.01]);
  expect(hessian.factor).not.toBeNull();
  const largestLast = [...hessian.order].map((column) => hessian.diagonal[column]!);
  expect(largestLast).toEqual(largestLast.toSorted((a, b) => a - b));
});

test("if no damping gives a factor, only the diagonal is left", async () => {
  const gram = newGram(buffers, 32);
  await collect(kernel, gram, tokens(40, 32));
  gram.sums[1] = 1e30; // impossible for two columns of this size
  const hessian = await makeHessian(tools, gram);
  expect(hessian.factor).toBeNull();
  expect(hessian.diagonal.every(Number.isFinite)).toBe(true);
});

test("without tokens it is the shrinkage target; without one, all columns are alike", async () => {
  const pooled = newGram(buffers, 32);
  await collect(kernel, pooled, tokens(100, 32));
  const alone = await makeHessian(tools, newGram(buffers, 32), {
    shrinkage: { target: pooled, strength: 2 },
  });
  const same = await makeHessian(tools, pooled);
  expect([...alone.order]).toEqual([...same.order]);
  for (const [i, value] of alone.diagonal.entries())
    expect(value / same.diagonal[i]!).toBeCloseTo(1, 5);
  const identity = await makeHessian(tools, newGram(buffers, 32), {
    shrinkage: { target: null, strength: 2 },
  });
  expect(new Set(identity.diagonal).size).toBe(1);
});

test.each([7, 8])("a weighed sum of two Gram matrices of %i columns", async (columns) => {
  const [gram, other] = [newGram(buffers, columns), newGram(buffers, columns)];
  await collect(kernel, gram, tokens(20, columns));
  await collect(kernel, other, tokens(30, columns));
  const expected = gram.sums.map((sum, i) => Math.fround(sum + Math.fround(0.5 * other.sums[i]!)));
  await addScaled(kernel, gram, other, 0.5);
  expect([...gram.sums]).toEqual([...expected]);
});

test("the trace is the power of all columns", async () => {
  const gram = newGram(buffers, 9);
  const x = tokens(20, 9);
  await collect(kernel, gram, x);
  const power = x.data.reduce((sum, value) => sum + value ** 2, 0);
  expect(traceOf(gram) / power).toBeCloseTo(1, 5);
});
