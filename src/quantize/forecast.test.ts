import { afterAll, describe, expect, test } from "vitest";
import { newMatrix, sharedBytes } from "../kernel/matrix.ts";
import { openKernel } from "../kernel/pool.ts";
import type { Width } from "../kernel/width.ts";
import { collect, type Hessian, makeHessian, newGram } from "./hessian.ts";
import { rowsOfWeight, tuneMatrix } from "./tune-matrix.ts";
import { tuningSettings } from "./tuning-settings.ts";
import { openTools } from "./tuning-tools.ts";

const kernel = await openKernel({ workers: 2 });
const tools = openTools({ kernel, settings: tuningSettings, storage: "BF16" });
afterAll(() => kernel.close());
const [rows, columns] = [96, 192];
const widths: readonly Width[] = ([3, 4, 5, 6, 8] as const).map((bits) => ({
  bits,
  groupSize: 64,
}));

/** Numbers from -1 to 1 that look like noise. */
const noise = (i: number) => ((Math.sin(i * 12.9898 + 78.233) * 43758.5453) % 1) as number;
const weights = sharedBytes(4 * rows * columns);
new Float32Array(weights.buffer).forEach((_, i, all) => {
  all[i] = noise(i) + noise(i + 0.5) + noise(2 * i + 7);
});

/** The Hessian of tokens whose columns are correlated in fours, some of them large. */
async function seen(): Promise<{ hessian: Hessian; x: Float32Array; tokens: number }> {
  const tokens = 600;
  const x = newMatrix(tokens, columns);
  x.data.forEach((_, i, all) => {
    const [token, column] = [Math.floor(i / columns), i % columns];
    all[i] =
      (noise(token * 977 + (column >> 2)) + 0.4 * noise(i + 0.25)) * (column % 23 === 5 ? 6 : 1);
  });
  const gram = newGram(tools.hessianBuffers, columns);
  await collect(kernel, gram, x);
  return {
    hessian: await makeHessian(tools, gram),
    x: x.data,
    tokens,
  };
}

const job = (hessian: Hessian | null) => ({
  sources: [weights],
  from: "F32" as const,
  rows,
  columns,
  store: "BF16" as const,
  factor: hessian?.factor ?? null,
  order: hessian?.factor ? hessian.order : null,
  diagonal: hessian?.diagonal ?? null,
  widths,
});

describe("a forecast of tuning", () => {
  test("is within a quarter of what GPTQ alone loses, at every width", async () => {
    const { hessian } = await seen();
    const { losses, nonFinite } = await kernel.run("forecast", job(hessian));
    const matrix = rowsOfWeight({ bytes: weights, dtype: "F32", rows, columns });
    const write = async () => {};
    const sums = await tuneMatrix(tools, matrix, { hessian, widths, sweeps: () => 0, write });
    expect(nonFinite).toBe(0);
    for (const [i, { loss }] of sums.entries()) {
      expect(losses[i]! / loss, `${widths[i]!.bits} bits`).toBeGreaterThan(0.75);
      expect(losses[i]! / loss, `${widths[i]!.bits} bits`).toBeLessThan(1.33);
    }
  });

  test("has the energy of the products, damping included", async () => {
    const { hessian, x, tokens } = await seen();
    const { energy } = await kernel.run("forecast", job(hessian));
    const values = new Float32Array(weights.buffer);
    let [expected, squares, power] = [0, 0, 0];
    for (let row = 0; row < rows; row++) {
      for (let token = 0; token < tokens; token++) {
        let sum = 0;
        for (let k = 0; k < columns; k++)
          sum += values[row * columns + k]! * x[token * columns + k]!;
        expected += sum ** 2;
      }
    }
    for (const value of values) squares += value ** 2;
    for (const value of x) power += value ** 2;
    expected += (hessian.damping * power * squares) / columns;
    expect(energy / expected).toBeCloseTo(1, 4);
  });

  test("counts all columns alike without a Hessian", async () => {
    const { energy, losses } = await kernel.run("forecast", job(null));
    const values = new Float32Array(weights.buffer);
    expect(energy / values.reduce((sum, value) => sum + value ** 2, 0)).toBeCloseTo(1, 5);
    expect(losses[1]! / losses[2]!).toBeGreaterThan(3);
  });

  test("counts weights that are not finite", async () => {
    const spoiled = sharedBytes(weights.byteLength);
    spoiled.set(weights);
    new Float32Array(spoiled.buffer)[77] = Number.NaN;
    const { hessian } = await seen();
    expect(await kernel.run("forecast", { ...job(hessian), sources: [spoiled] })).toMatchObject({
      nonFinite: 1,
    });
  });
});
