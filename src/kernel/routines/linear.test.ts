import { afterAll, describe, expect, test } from "vitest";
import {
  type Matrix,
  newMatrix,
  rowsOf,
  sharedFloats,
  sharedIntegers,
  type Weight,
  weightRows,
} from "../matrix.ts";
import { openKernel } from "../pool.ts";

const kernel = await openKernel({ workers: 2 });
afterAll(() => kernel.close());

/** Values of both signs that do not repeat. */
function matrix(rows: number, columns: number, phase: number): Matrix {
  const filled = newMatrix(rows, columns);
  let state = phase;
  for (let i = 0; i < filled.data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    filled.data[i] = state / 2 ** 31;
  }
  return filled;
}

async function weight(
  rows: number,
  columns: number,
  dtype: Weight["dtype"],
): Promise<{ weight: Weight; wide: Matrix }> {
  const values = matrix(rows, columns, 5);
  const { bytes } = await kernel.cast({
    weights: new Uint8Array(values.data.buffer),
    from: "F32",
    to: dtype,
  });
  const { bytes: back } = await kernel.cast({ weights: bytes, from: dtype, to: "F32" });
  const wide = { ...values, data: new Float32Array(back.buffer as SharedArrayBuffer) };
  return { weight: { bytes: bytes as Uint8Array<SharedArrayBuffer>, dtype, rows, columns }, wide };
}

const row = ({ data, columns }: Matrix, i: number) => data.subarray(i * columns, (i + 1) * columns);

/** x · w + bias in float64, and the sum of the terms' magnitudes. */
function expected(x: Float32Array, w: Float32Array, bias: number): [number, number] {
  let [sum, size] = [bias, Math.abs(bias)];
  for (let k = 0; k < x.length; k++) {
    const term = x[k]! * w[k]!;
    sum += term;
    size += Math.abs(term);
  }
  return [sum, size];
}

describe("products", () => {
  for (const [tokens, inputs, outputs, dtype] of [
    [1, 1, 1, "F32"],
    [3, 63, 5, "BF16"],
    [5, 64, 7, "F16"],
    [6, 65, 8, "BF16"],
    [7, 127, 9, "F32"],
    [64, 300, 65, "BF16"],
    [127, 513, 63, "F16"],
  ] as const) {
    test(`${tokens} x ${inputs} by ${outputs} x ${inputs} ${dtype} equals its formula`, async () => {
      const x = matrix(tokens, inputs, 0);
      const { weight: stored, wide } = await weight(outputs, inputs, dtype);
      const some = sharedIntegers(tokens + 2);
      some.forEach((_, i) => {
        some[i] = (i * 7 + 2) % tokens;
      });
      for (const bias of [null, matrix(1, outputs, 9).data]) {
        for (const rows of [null, some]) {
          const y = newMatrix(rows?.length ?? tokens, outputs);
          y.data.fill(Number.NaN);
          await kernel.run("linear", { x, rows, weight: stored, bias, y });
          const squared = newMatrix(y.rows, outputs);
          await kernel.run("linear", { x, rows, weight: stored, bias, y: squared, squared: true });
          expect(squared.data).toEqual(y.data.map((value) => Math.max(0, value) ** 2));
          for (let i = 0; i < y.rows; i++) {
            for (let j = 0; j < outputs; j++) {
              const [sum, size] = expected(row(x, rows?.[i] ?? i), row(wide, j), bias?.[j] ?? 0);
              expect(Math.abs(y.data[i * outputs + j]! - sum)).toBeLessThanOrEqual(1e-6 * size);
            }
          }
        }
      }
    });
  }
});

test("slabs of tokens and of outputs do not change bits: parts equal the whole", async () => {
  for (const [tokens, inputs, outputs] of [
    [70, 2 ** 17, 19],
    [5, 1024, 2 ** 11 + 100],
  ] as const) {
    const x = matrix(tokens, inputs, 1);
    const { weight: stored } = await weight(outputs, inputs, "BF16");
    const y = newMatrix(tokens, outputs);
    await kernel.run("linear", { x, rows: null, weight: stored, bias: null, y });
    for (const [top, bottom, left, right] of [
      [0, 4, 0, outputs],
      [tokens - 3, tokens, 0, outputs],
      [0, tokens, outputs - 9, outputs],
      [1, tokens, 3, 4],
    ] as const) {
      const part = newMatrix(bottom - top, right - left);
      const some = weightRows(stored, left, right);
      await kernel.run("linear", {
        x: rowsOf(x, top, bottom),
        rows: null,
        weight: some,
        bias: null,
        y: part,
      });
      const rows = Array.from({ length: bottom - top }, (_, i) => (top + i) * outputs);
      const cut = rows.map((start) =>
        Buffer.from(y.data.slice(start + left, start + right).buffer),
      );
      expect(Buffer.concat(cut).equals(Buffer.from(part.data.buffer))).toBe(true);
    }
  }
});

test("operands that contradict each other are refused", async () => {
  const { weight: stored } = await weight(4, 8, "BF16");
  const job = { x: matrix(3, 8, 0), rows: null, weight: stored, bias: null, y: newMatrix(3, 4) };
  const far = sharedIntegers(3).fill(3);
  for (const [change, message] of [
    [{ x: matrix(3, 9, 0) }, "input width"],
    [{ y: newMatrix(3, 5) }, "y has 5 columns"],
    [{ y: newMatrix(2, 4) }, "y has 2 rows, expected 3"],
    [{ rows: far }, "a row number outside the 3 rows of x"],
    [{ bias: sharedFloats(3) }, "the bias has 3"],
    [{ weight: { ...stored, dtype: "F32" } }, "the weight has 64 bytes"],
    [{ weight: { ...stored, dtype: "I32" } }, "not a float dtype"],
  ] as const) {
    const answer = kernel.run("linear", { ...job, ...change } as typeof job);
    await expect(answer).rejects.toMatchObject({
      code: "INTERNAL",
      message: expect.stringContaining(message),
    });
  }
});
