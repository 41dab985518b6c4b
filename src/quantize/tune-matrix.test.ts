import { afterAll, expect, test } from "vitest";
import { newMatrix, sharedBytes } from "../kernel/matrix.ts";
import { openKernel } from "../kernel/pool.ts";
import type { Width } from "../kernel/width.ts";
import { collect, type Hessian, makeHessian, newGram } from "./hessian.ts";
import { rowsOfWeight, tuneMatrix } from "./tune-matrix.ts";
import type { TunedRows } from "./tuned-rows.ts";
import { tuningSettings } from "./tuning-settings.ts";
import { openTools } from "./tuning-tools.ts";

const kernel = await openKernel({ workers: 2 });
const tools = openTools({ kernel, settings: tuningSettings, storage: "BF16" });
afterAll(() => kernel.close());
const [rows, columns] = [1100, 64];
const weights = sharedBytes(4 * rows * columns);
new Float32Array(weights.buffer).forEach((_, i, all) => {
  all[i] = Math.sin(i * 0.7) / (1 + (i % 5));
});
const matrix = rowsOfWeight({ bytes: weights, dtype: "F32", rows, columns });

async function tune(hessian: Hessian | null) {
  const widths: Width[] = [{ bits: 4, groupSize: 32 }];
  const words = new Map<number, Buffer>();
  const write = async (part: TunedRows) => {
    words.set(part.start, Buffer.from(part.words));
  };
  const sums = await tuneMatrix(tools, matrix, { hessian, widths, sweeps: () => 1, write });
  return { ...sums[0]!, words: Buffer.concat([...words.values()]).toString("hex") };
}

async function seen(tokens: number): Promise<Hessian> {
  const x = newMatrix(tokens, columns);
  x.data.forEach((_, i, all) => {
    all[i] = Math.cos(i * 1.1 + (i % 7)) * (1 + (i % columns));
  });
  const gram = newGram(tools.hessianBuffers, columns);
  await collect(kernel, gram, x);
  return makeHessian(tools, gram);
}

test("the sample of plain rounding does not depend on how a matrix is cut into jobs", async () => {
  const hessian = await seen(256);
  const bits = [8, 6, 5, 4, 3, 2] as const;
  const widths: Width[] = bits.map((one) => ({ bits: one, groupSize: 32 }));
  const options = { hessian, widths, sweeps: () => 1, sampled: true, write: async () => {} };
  const whole = await tuneMatrix(tools, matrix, options);
  // Two jobs: the second one begins with row 560, which is chunk 35 of the matrix.
  expect(await tuneMatrix(tools, matrix, { ...options, alone: true })).toEqual(whole);
});

test("without a factor, the diagonal alone gives less loss than rounding", async () => {
  const hessian = { ...(await seen(256)), factor: null };
  const { rows: counted, loss, roundedLoss, words } = await tune(hessian);
  expect(counted).toBe(rows);
  expect(loss).toBeLessThan(roundedLoss);
  const whole = await tune(await seen(256));
  const alike = await tune(null);
  expect(new Set([words, whole.words, alike.words]).size).toBe(3);
});
