import { afterAll, expect, test } from "vitest";
import { factorize } from "./factorize.ts";
import { gram } from "./grams.ts";
import { newMatrix, sharedFloats } from "./matrix.ts";
import { openKernel } from "./pool.ts";
import { mostRows } from "./tiles.ts";
import { newTriangle, rowOf, triangleSize } from "./triangle.ts";

const tileSize = mostRows.factor;
const kernels = await Promise.all([1, 2, 3].map((workers) => openKernel({ workers })));
afterAll(() => Promise.all(kernels.map((kernel) => kernel.close())));

/** XᵀX of more tokens than columns. */
async function hessian(d: number): Promise<Float32Array<SharedArrayBuffer>> {
  const x = newMatrix(d + 40, d);
  let state = d;
  for (let i = 0; i < x.data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    x.data[i] = state / 2 ** 31;
  }
  const h = newTriangle(d);
  await gram(kernels[1]!, { x, sums: h, alpha: 1 / x.rows });
  for (let i = 0; i < d; i++) h[rowOf(d, i) + i]! += 0.01;
  return h;
}

/** The largest |RᵀR - H| over some elements spread over the upper triangle, RᵀR in float64. */
function residual(r: Float32Array, h: Float32Array, d: number): number {
  let worst = 0;
  const step = Math.max(1, Math.floor(d / 37));
  for (let i = 0; i < d; i += step) {
    for (let j = d - 1; j >= i; j -= step) {
      let sum = 0;
      for (let k = 0; k <= i; k++) sum += r[rowOf(d, k) + i]! * r[rowOf(d, k) + j]!;
      worst = Math.max(worst, Math.abs(sum - h[rowOf(d, i) + j]!));
    }
  }
  return worst;
}

const copy = (values: Float32Array) => {
  const same = sharedFloats(values.length);
  same.set(values);
  return same;
};

test("RᵀR is H in one tile and in several", async () => {
  for (const d of [1, 3, 63, 65, tileSize - 1, tileSize, tileSize + 1, 2 * tileSize + 100]) {
    const h = await hessian(d);
    const r = copy(h);
    expect(await factorize(kernels[1]!, r, d)).toEqual({ pivot: null });
    expect(residual(r, h, d)).toBeLessThan(2e-6);
    for (let i = 0; i < d; i++) expect(r[rowOf(d, i) + i]).toBeGreaterThan(0);
  }
});

test("bytes do not depend on the number of workers", async () => {
  const d = 3 * tileSize + 10;
  const [first, ...others] = await Promise.all(
    kernels.map(async (kernel) => {
      const r = await hessian(d);
      await factorize(kernel, r, d);
      return Buffer.from(r.buffer);
    }),
  );
  expect(others.map((other) => first!.equals(other))).toEqual([true, true]);
});

test("the first pivot that is not positive is reported, in any tile", async () => {
  const d = 2 * tileSize + 30;
  const h = await hessian(d);
  for (const at of [0, 40, tileSize - 1, tileSize, tileSize + 300, d - 1]) {
    for (const value of [-1, Number.NaN]) {
      const r = copy(h);
      r[rowOf(d, at) + at] = value;
      expect(await factorize(kernels[2]!, r, d)).toEqual({ pivot: at });
    }
  }
});

test("tiles outside the matrix are refused", async () => {
  const job = {
    factor: sharedFloats(triangleSize(10)),
    d: 10,
    top: 0,
    bottom: 5,
    left: 5,
    right: 10,
  };
  for (const change of [
    { d: 9 },
    { right: 11 },
    { left: 4 },
    { left: 0 },
    { bottom: 0 },
    { top: 0.5 },
  ]) {
    await expect(kernels[0]!.run("factorTile", { ...job, ...change })).rejects.toMatchObject({
      code: "INTERNAL",
    });
  }
});
