import { afterAll, describe, expect, test } from "vitest";
import {
  allBits,
  gaussian,
  golden,
  goldenColumns,
  goldenRows,
} from "../../../test/support/golden.ts";
import type { FloatDtype } from "../dtype.ts";
import { openKernel } from "../pool.ts";

const kernel = await openKernel({ workers: 2 });
afterAll(() => kernel.close());

async function floats(bytes: Uint8Array, from: FloatDtype): Promise<Float32Array> {
  const { bytes: wide } = await kernel.cast({ weights: bytes, from, to: "F32" });
  return new Float32Array(wide.buffer);
}

describe("packing and decoding", () => {
  test("the packing ramp decodes to its codes at every width", async () => {
    const ramp = golden("packing_ramp");
    const ones = new Uint8Array(Float32Array.from({ length: 4 }, () => 1).buffer);
    const zeros = new Uint8Array(16);
    for (const bits of allBits) {
      const shape = { rows: 1, columns: 256, bits, groupSize: 64 } as const;
      const operands = { words: ramp[`b${bits}.words`]!, scales: ones, biases: zeros };
      const decoded = await kernel.dequantize({ ...operands, ...shape, store: "F32" });
      expect(Array.from(decoded)).toEqual(Array.from(ramp[`b${bits}.codes`]!));
    }
  });

  test("dequantized float32 equals MLX's, bit for bit", async () => {
    const expected = golden("dequant_bf16_g64");
    for (const bits of allBits) {
      const {
        "g64.weight": words,
        "g64.scales": scales,
        "g64.biases": biases,
      } = golden(`affine_bf16_b${bits}`);
      const shape = {
        rows: goldenRows,
        columns: goldenColumns,
        bits,
        groupSize: 64,
        store: "BF16",
      } as const;
      const values = await kernel.dequantize({
        words: words!,
        scales: scales!,
        biases: biases!,
        ...shape,
      });
      const everyFourth = Array.from({ length: 10 }, (_, i) =>
        values.slice(i * 4 * 128, (i * 4 + 1) * 128),
      ).flatMap((row) => Array.from(row));
      expect(new Uint8Array(Float32Array.from(everyFourth).buffer)).toEqual(
        expected[`b${bits}.f32`],
      );
    }
  });

  test("casts round to nearest even and keep NaN", async () => {
    const values = [
      1,
      1 + 2 ** -8,
      1 + 3 * 2 ** -8,
      65519.99,
      65520,
      -1e-8,
      2 ** -24,
      NaN,
      -Infinity,
      3.4e38,
    ];
    const weights = new Uint8Array(Float32Array.from(values).buffer);
    const through = async (to: FloatDtype) =>
      Array.from(await floats((await kernel.cast({ weights, from: "F32", to })).bytes, to));
    expect(await through("BF16")).toEqual([
      1,
      1,
      1 + 2 ** -6,
      65536,
      65536,
      Math.fround(-1.0011717677116394e-8),
      2 ** -24,
      NaN,
      -Infinity,
      Infinity,
    ]);
    expect(await through("F16")).toEqual([
      1,
      1 + 2 ** -8,
      1 + 3 * 2 ** -8,
      65504,
      Infinity,
      -0,
      2 ** -24,
      NaN,
      -Infinity,
      Infinity,
    ]);
    for (const length of [0, 1, 3, 63, 64, 65, 1023, 1024, 1025, 140_001]) {
      const source = gaussian(length, length);
      const { bytes: wide } = await kernel.cast({ weights: source, from: "BF16", to: "F32" });
      expect((await kernel.cast({ weights: wide, from: "F32", to: "BF16" })).bytes).toEqual(source);
    }
  });
});

test("a cast counts NaN and infinities in its result", async () => {
  const values = new Float32Array([1, Number.NaN, 1e30, Number.NEGATIVE_INFINITY, -7e4, 65504, 0]);
  const weights = new Uint8Array(values.buffer);
  const count = async (to: "BF16" | "F16" | "F32") =>
    (await kernel.cast({ weights, from: "F32", to })).nonFinite;
  expect([await count("F32"), await count("BF16"), await count("F16")]).toEqual([2, 2, 4]);
});
