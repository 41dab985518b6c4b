import { fromBf16, toBf16 } from "./base-layouts.ts";
import type { StoredBytes } from "./safetensors.ts";

/** A matrix as codes and scales, and the values that they stand for, which BF16 holds. */
export interface CodedMatrix {
  readonly codes: StoredBytes;
  readonly scales: StoredBytes;
  readonly values: StoredBytes;
}

/** Values of F8_E4M3 by code; NaN for the two codes that are. */
const e4m3 = Array.from({ length: 256 }, (_, code) => {
  const [exponent, fraction] = [(code >> 3) & 15, (code & 7) / 8];
  const size = exponent === 0 ? fraction * 2 ** -6 : (1 + fraction) * 2 ** (exponent - 7);
  return (code & 127) === 127 ? Number.NaN : code < 128 ? size : -size;
});
/** Values of FP4 E2M1 by code. */
const e2m1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0, -0.5, -1, -1.5, -2, -3, -4, -6];

/** Codes a BF16 matrix as fp8. `block`: rows and columns a scale. `powers`: F8_E8M0 scales. */
export function asFp8(
  matrix: StoredBytes,
  block: readonly [number, number],
  powers = false,
): CodedMatrix {
  const { shape } = matrix;
  const { codes, scales, grid, values } = code(matrix, block, e4m3, powers);
  return {
    codes: { dtype: "F8_E4M3", shape, bytes: codes },
    scales: powers
      ? { dtype: "F8_E8M0", shape: grid, bytes: powerBytes(scales) }
      : { dtype: "F32", shape: grid, bytes: new Uint8Array(scales.buffer) },
    values,
  };
}

/** Codes a BF16 matrix as mxfp4: two codes a byte, 32 to a scale. */
export function asMxfp4(matrix: StoredBytes): CodedMatrix {
  const [rows, columns] = matrix.shape as [number, number];
  const { codes, scales, grid, values } = code(matrix, [1, 32], e2m1, true);
  const pairs = Uint8Array.from({ length: codes.length / 2 }, (_, i) => {
    return codes[2 * i]! | (codes[2 * i + 1]! << 4);
  });
  return {
    codes: { dtype: "U8", shape: [rows, columns / 32, 16], bytes: pairs },
    scales: { dtype: "U8", shape: grid, bytes: powerBytes(scales) },
    values,
  };
}

function code(
  { shape, bytes, dtype }: StoredBytes,
  [high, wide]: readonly [number, number],
  table: readonly number[],
  powers: boolean,
) {
  const [rows, columns] = shape as [number, number];
  const floats = fromBf16(bytes);
  const grid = [Math.ceil(rows / high), Math.ceil(columns / wide)] as const;
  const scales = new Float32Array(grid[0] * grid[1]);
  const blockOf = (i: number) =>
    Math.floor(Math.floor(i / columns) / high) * grid[1] + Math.floor((i % columns) / wide);
  for (const [i, value] of floats.entries())
    scales[blockOf(i)] = Math.max(scales[blockOf(i)]!, Math.abs(value));
  const largest = Math.max(...table.filter((value) => !Number.isNaN(value)));
  for (const [i, most] of scales.entries()) {
    const exact = most / largest;
    const power = 2 ** Math.ceil(Math.log2(exact));
    // Four significant bits: with the four of a code they fit into the eight of BF16.
    scales[i] = powers ? power : (Math.ceil((exact / power) * 16) / 16) * power;
  }
  const codes = Uint8Array.from(floats, (value, i) => nearest(table, value / scales[blockOf(i)]!));
  const decoded = Float32Array.from(codes, (own, i) => table[own]! * scales[blockOf(i)]!);
  return { codes, scales, grid, values: { dtype, shape, bytes: toBf16(decoded) } };
}

function nearest(table: readonly number[], value: number): number {
  let best = 0;
  for (const [code, one] of table.entries())
    if (Math.abs(one - value) < Math.abs(table[best]! - value)) best = code;
  return best;
}

/** F8_E8M0: one byte b for 2^(b - 127). */
function powerBytes(scales: Float32Array): Uint8Array {
  return Uint8Array.from(scales, (scale) => Math.log2(scale) + 127);
}
