import { afterAll, expect, test } from "vitest";
import { newMatrix } from "../matrix.ts";
import { openKernel } from "../pool.ts";

const kernel = await openKernel({ workers: 1 });
afterAll(() => kernel.close());

test("distances of rows are sums of squares in float64, for any number of rows", async () => {
  const [x, y] = [newMatrix(700, 96), newMatrix(700, 96)];
  for (const [i, matrix] of [x, y].entries()) {
    matrix.data.forEach((_, at, all) => {
      all[at] = Math.sin(at * (1.1 + i)) * 10 ** (at % 5);
    });
  }
  const out = new Float64Array(new SharedArrayBuffer(8 * 700));
  await kernel.run("distances", { x, y, out });
  for (const row of [0, 1, 350, 699]) {
    let sum = 0;
    for (let k = 0; k < 96; k++) sum += (x.data[row * 96 + k]! - y.data[row * 96 + k]!) ** 2;
    expect(out[row]! / sum).toBeCloseTo(1, 12);
  }
});
