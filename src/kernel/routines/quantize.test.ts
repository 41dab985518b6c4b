import { afterAll, describe, expect, test } from "vitest";
import {
  allBits,
  dtypes,
  gaussian,
  gaussianFrom,
  golden,
  goldenColumns,
  goldenRows,
  groups,
} from "../../../test/support/golden.ts";
import type { FloatDtype } from "../dtype.ts";
import type { QuantizedRows } from "../kernel-types.ts";
import { openKernel } from "../pool.ts";
import type { QuantizeRows } from "./quantize.ts";

const kernel = await openKernel({ workers: 2 });
afterAll(() => kernel.close());

const allWidths = allBits.flatMap((bits) => groups.map((groupSize) => ({ bits, groupSize })));

function goldenJob(dtype: FloatDtype, change: Partial<QuantizeRows> = {}): QuantizeRows {
  const weights = golden(`input_${dtype.toLowerCase()}`).w!;
  const shape = { rows: goldenRows, columns: goldenColumns };
  return {
    weights,
    from: dtype,
    ...shape,
    store: dtype,
    rounding: "mlx",
    widths: allWidths,
    ...change,
  };
}

async function floats(bytes: Uint8Array, from: FloatDtype): Promise<Float32Array> {
  const { bytes: wide } = await kernel.cast({ weights: bytes, from, to: "F32" });
  return new Float32Array(wide.buffer);
}

/** Code k of a row has bits [k·bits, (k+1)·bits) of the stream. */
function codesOf(words: Uint8Array, bits: number): number[] {
  return Array.from({ length: (words.length * 8) / bits }, (_, k) => {
    let code = 0;
    for (let i = 0; i < bits; i++) {
      const at = k * bits + i;
      code |= ((words[at >> 3]! >> (at & 7)) & 1) << i;
    }
    return code;
  });
}

const rint = (x: number) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));

describe("rule mlx is mx.quantize, bit for bit", () => {
  for (const dtype of dtypes) {
    test(`${dtype}: every row, width and group`, async () => {
      const { byWidth } = await kernel.quantize(goldenJob(dtype));
      for (const one of byWidth) {
        const expected = golden(`affine_${dtype.toLowerCase()}_b${one.bits}`);
        const group = `g${one.groupSize}`;
        expect([one.bits, group, one.words]).toEqual([
          one.bits,
          group,
          expected[`${group}.weight`],
        ]);
        expect([one.bits, group, one.scales]).toEqual([
          one.bits,
          group,
          expected[`${group}.scales`],
        ]);
        expect([one.bits, group, one.biases]).toEqual([
          one.bits,
          group,
          expected[`${group}.biases`],
        ]);
      }
    });
  }

  test("stacked experts are rows", async () => {
    const expected = golden("stacked3d_bf16_b4_g64");
    const widths = [{ bits: 4, groupSize: 64 }] as const;
    const { byWidth } = await kernel.quantize(
      goldenJob("BF16", { weights: expected.w!, rows: 24, widths }),
    );
    expect(byWidth[0]!.words).toEqual(expected.weight);
    expect(byWidth[0]!.scales).toEqual(expected.scales);
    expect(byWidth[0]!.biases).toEqual(expected.biases);
  });

  test("a base in another dtype is cast before it is quantized", async () => {
    for (const from of dtypes) {
      const { bytes: weights } = await kernel.cast({
        weights: golden("input_f32").w!,
        from: "F32",
        to: from,
      });
      for (const store of dtypes.filter((d) => d !== from)) {
        const { bytes: cast } = await kernel.cast({ weights, from, to: store });
        const job = goldenJob(store, {
          weights: cast.subarray(29 * 128 * (store === "F32" ? 4 : 2)),
          rows: 11,
        });
        const direct = await kernel.quantize(job);
        const tail = weights.subarray(29 * 128 * (from === "F32" ? 4 : 2));
        const through = await kernel.quantize({ ...job, from, weights: tail });
        expect(bytesOf(through.byWidth)).toEqual(bytesOf(direct.byWidth));
      }
    }
  });
});

const bytesOf = (byWidth: readonly QuantizedRows[]) =>
  byWidth.map(({ words, scales, biases }) => [words, scales, biases]);

describe("rule stored", () => {
  test("codes are the nearest for the stored scale and bias; errors are those of the codes", async () => {
    for (const [from, store] of [
      ["BF16", "BF16"],
      ["F32", "BF16"],
      ["F32", "F16"],
      ["F16", "F16"],
    ] as const) {
      const job = goldenJob(from, { store, rounding: "stored" });
      const weights = await floats(job.weights, from);
      const { byWidth, energy, nonFinite } = await kernel.quantize(job);
      expect(nonFinite).toBe(0);
      const squares = weights.reduce((sum, w) => sum + w * w, 0);
      expect(Math.abs(energy - squares) / squares).toBeLessThan(1e-7);
      for (const { bits, groupSize, words, scales, biases, squaredError } of byWidth) {
        const [s, b] = [await floats(scales, store), await floats(biases, store)];
        const codes = codesOf(words, bits);
        let sum = 0;
        const expected = Array.from(weights, (w, k) => {
          const [scale, bias] = [s[Math.floor(k / groupSize)]!, b[Math.floor(k / groupSize)]!];
          const q = rint(Math.fround(Math.fround(w - bias) / scale));
          sum += (w - Math.fround(Math.fround(codes[k]! * scale) + bias)) ** 2;
          return Math.max(0, Math.min(2 ** bits - 1, q));
        });
        expect(codes).toEqual(expected);
        expect(Math.abs(squaredError - sum) / sum).toBeLessThan(1e-6);
      }
    }
  });

  test("stores the same scales and biases as rule mlx where no grid is exact", async () => {
    for (const dtype of dtypes) {
      const weights = golden(`input_${dtype.toLowerCase()}`).w!;
      const start = weights.length * (gaussianFrom / goldenRows);
      const rows = goldenRows - gaussianFrom;
      const [mlx, stored] = await both(
        goldenJob(dtype, { weights: weights.subarray(start), rows }),
      );
      expect(stored.byWidth.map((t) => [t.scales, t.biases])).toEqual(
        mlx.byWidth.map((t) => [t.scales, t.biases]),
      );
    }
  });

  test("stores values of a grid exactly: those of mxfp4 from 5 bits on", async () => {
    const e2m1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6];
    const drawn = Float32Array.from(
      { length: 64 },
      (_, i) => e2m1[(i * 5) % 8]! * (i % 3 ? 1 : -1),
    );
    const weights = new Uint8Array(drawn.map((value) => value * 2 ** -9).buffer);
    const widths = ([4, 5, 6, 8] as const).map((bits) => ({ bits, groupSize: 64 }) as const);
    const job = { weights, from: "F32", rows: 1, columns: 64, store: "BF16", widths } as const;
    const [mlx, stored] = await both({ ...job, rounding: "stored" });
    expect(mlx.byWidth.map(({ squaredError }) => squaredError > 0)).toEqual(Array(4).fill(true));
    const exact = stored.byWidth.map(({ squaredError }) => squaredError === 0);
    expect(exact).toEqual([false, true, true, true]);
  });

  test("is never worse than rule mlx, and a quarter better at 8 bits", async () => {
    const weights = golden("input_bf16").w!.subarray(gaussianFrom * goldenColumns * 2);
    const [mlx, stored] = await both(
      goldenJob("BF16", { weights, rows: goldenRows - gaussianFrom }),
    );
    for (const [i, { squaredError }] of stored.byWidth.entries()) {
      expect(squaredError).toBeLessThanOrEqual(mlx.byWidth[i]!.squaredError);
    }
    const large = goldenJob("BF16", { weights: gaussian(256 * 1024, 1), rows: 256, columns: 1024 });
    const [plain, better] = await both({
      ...large,
      widths: groups.map((groupSize) => ({ bits: 8, groupSize })),
    });
    for (const [i, { squaredError }] of better.byWidth.entries()) {
      expect(squaredError).toBeLessThan(0.75 * plain.byWidth[i]!.squaredError);
    }
  });

  test("a scale beyond the range of the file's dtype becomes its largest value", async () => {
    const weights = new Uint8Array(
      Float32Array.from({ length: 64 }, (_, i) => (i - 31) * 1e30).buffer,
    );
    const job = {
      weights,
      from: "F32",
      rows: 1,
      columns: 64,
      store: "F16",
      rounding: "stored",
    } as const;
    const { byWidth, nonFinite } = await kernel.quantize({
      ...job,
      widths: [{ bits: 4, groupSize: 64 }],
    });
    expect(nonFinite).toBe(0);
    expect(Array.from(await floats(byWidth[0]!.scales, "F16"))).toEqual([-65504]);
    expect(Array.from(await floats(byWidth[0]!.biases, "F16"))).toEqual([65504]);
    expect(Number.isFinite(byWidth[0]!.squaredError)).toBe(true);
  });
});

function both(job: QuantizeRows) {
  return Promise.all(
    (["mlx", "stored"] as const).map((rounding) => kernel.quantize({ ...job, rounding })),
  ) as Promise<
    [Awaited<ReturnType<typeof kernel.quantize>>, Awaited<ReturnType<typeof kernel.quantize>>]
  >;
}

test("NaN and infinities are counted at any place", async () => {
  for (const from of dtypes) {
    const columns = 1152;
    const values = Float32Array.from({ length: 3 * columns }, (_, k) => Math.sin(k));
    const bad = [0, 31, 1023, 1024, columns - 1, columns, 3 * columns - 1];
    for (const [i, k] of bad.entries()) values[k] = [NaN, Infinity, -Infinity][i % 3]!;
    const { bytes: weights } = await kernel.cast({
      weights: new Uint8Array(values.buffer),
      from: "F32",
      to: from,
    });
    for (const rounding of ["mlx", "stored"] as const) {
      const shape = { rows: 3, columns, from, store: from, rounding, widths: allWidths };
      expect((await kernel.quantize({ ...shape, weights })).nonFinite).toBe(bad.length);
      const clean = weights.subarray(weights.length / 3).slice(0, weights.length / 3);
      expect((await kernel.quantize({ ...shape, rows: 1, weights: clean })).nonFinite).toBe(1);
    }
  }
});
