import { afterAll, expect, test } from "vitest";
import { newMatrix, sharedFloats } from "../matrix.ts";
import { openKernel } from "../pool.ts";
import { newTriangle, rowOf } from "../triangle.ts";

const kernel = await openKernel({ workers: 1 });
afterAll(() => kernel.close());

test("the compensation is R_BB⁻¹ R_BL, transposed", async () => {
  const [d, top, bottom] = [150, 40, 100];
  const factor = newTriangle(d);
  for (let i = 0; i < d; i++)
    for (let j = i; j < d; j++) factor[rowOf(d, i) + j] = 0.1 * Math.sin(7 * i * j + i);
  for (let i = 0; i < d; i++) factor[rowOf(d, i) + i] = 1 + (i % 3);
  const out = newMatrix(d - bottom, bottom - top);
  await kernel.run("compensation", { factor, d, top, bottom, out });
  let worst = 0;
  for (let i = top; i < bottom; i++) {
    for (let k = bottom; k < d; k++) {
      let back = 0;
      for (let j = i; j < bottom; j++)
        back += factor[rowOf(d, i) + j]! * out.data[(k - bottom) * out.columns + j - top]!;
      worst = Math.max(worst, Math.abs(back - factor[rowOf(d, i) + k]!));
    }
  }
  expect(worst).toBeLessThan(1e-6);
});

test("rows are centered and columns multiplied by their factors, in place", async () => {
  const x = newMatrix(3, 2);
  x.data.set([1, 10, 2, 20, 6, 30]);
  const factors = sharedFloats(2);
  factors.set([2, 0.5]);
  expect(await kernel.run("center", { x, factors })).toEqual({ squares: 16 + 4 + 36 + 25 + 25 });
  expect([...x.data]).toEqual([-4, -5, -2, 0, 6, 5]);
});

test("operands of another shape are refused", async () => {
  const job = { factor: newTriangle(3), d: 3, top: 0, bottom: 2, out: newMatrix(1, 2) };
  for (const change of [{ d: 4 }, { bottom: 3 }, { top: 2 }, { out: newMatrix(2, 1) }]) {
    await expect(kernel.run("compensation", { ...job, ...change })).rejects.toMatchObject({
      code: "INTERNAL",
    });
  }
  const center = { x: newMatrix(2, 3), factors: sharedFloats(2) };
  await expect(kernel.run("center", center)).rejects.toMatchObject({ code: "INTERNAL" });
});
