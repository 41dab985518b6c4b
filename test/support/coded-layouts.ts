import { fromBf16, toBf16 } from "./base-layouts.ts";
import type { StoredBytes } from "./safetensors.ts";

/** A matrix as codes and scales, and the values that they stand for, which BF16 holds. */
export interface CodedMatrix {
  readonly codes: StoredBytes;
  readonly scales: StoredBytes;
  readonly values: StoredBytes;
  /** Of integers with zero points. */
  readonly zeros?: StoredBytes;
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
  const made = code(matrix, block, e4m3, powers ? "power" : "short");
  const { codes, scales, grid, decoded } = made;
  return {
    codes: { dtype: "F8_E4M3", shape, bytes: codes },
    scales: powers
      ? { dtype: "F8_E8M0", shape: grid, bytes: powerBytes(scales) }
      : { dtype: "F32", shape: grid, bytes: new Uint8Array(scales.buffer) },
    values: { ...matrix, bytes: toBf16(decoded) },
  };
}

/** Codes a BF16 matrix as fp8 with scales of all 24 bits. Its values are float32. */
export function asExactFp8(matrix: StoredBytes, block: readonly [number, number]): CodedMatrix {
  const { codes, scales, grid, decoded } = code(matrix, block, e4m3, "exact");
  const { shape } = matrix;
  return {
    codes: { dtype: "F8_E4M3", shape, bytes: codes },
    scales: { dtype: "F32", shape: grid, bytes: new Uint8Array(scales.buffer) },
    values: { dtype: "F32", shape, bytes: new Uint8Array(decoded.buffer) },
  };
}

/** Codes a BF16 matrix as mxfp4: two codes a byte, 32 to a scale. */
export function asMxfp4(matrix: StoredBytes): CodedMatrix {
  const [rows, columns] = matrix.shape as [number, number];
  const { codes, scales, grid, decoded } = code(matrix, [1, 32], e2m1, "power");
  const pairs = Uint8Array.from({ length: codes.length / 2 }, (_, i) => {
    return codes[2 * i]! | (codes[2 * i + 1]! << 4);
  });
  return {
    codes: { dtype: "U8", shape: [rows, columns / 32, 16], bytes: pairs },
    scales: { dtype: "U8", shape: grid, bytes: powerBytes(scales) },
    values: { ...matrix, bytes: toBf16(decoded) },
  };
}

/** Codes a BF16 matrix as mxfp4 as compressed-tensors stores it. */
export function asPackedFp4(matrix: StoredBytes): CodedMatrix {
  const coded = asMxfp4(matrix);
  const [rows, columns] = matrix.shape as [number, number];
  return { ...coded, codes: { ...coded.codes, shape: [rows, columns / 2] } };
}

/** Codes a BF16 matrix as integers of four bits, `group` neighbours of a row to a scale. */
export function asInt4(matrix: StoredBytes, group: number, asymmetric: boolean): CodedMatrix {
  const [rows, columns] = matrix.shape as [number, number];
  const floats = fromBf16(matrix.bytes);
  const across = columns / group;
  const zeros = Array.from({ length: rows * across }, (_, i) => (asymmetric ? (i * 5) % 16 : 8));
  const most = new Float32Array(rows * across);
  const blockOf = (i: number) => Math.floor(i / group);
  for (const [i, value] of floats.entries())
    most[blockOf(i)] = Math.max(most[blockOf(i)]!, Math.abs(value));
  const scales = most.map((one) => fourBits(one / 7));
  const clamp = (code: number) => Math.max(0, Math.min(15, code));
  const codes = Array.from(floats, (value, i) => {
    return clamp(Math.round(value / scales[blockOf(i)]!) + zeros[blockOf(i)]!);
  });
  const decoded = Float32Array.from(codes, (own, i) => {
    return (own - zeros[blockOf(i)]!) * scales[blockOf(i)]!;
  });
  const word = (bits: readonly number[]) => bits.reduceRight((all, one) => (all << 4) | one, 0);
  const words = Int32Array.from({ length: codes.length / 8 }, (_, i) => {
    return word(codes.slice(8 * i, 8 * i + 8));
  });
  const zeroWords = Int32Array.from({ length: Math.ceil(rows / 8) * across }, (_, i) => {
    const [top, block] = [8 * Math.floor(i / across), i % across];
    return word(Array.from({ length: 8 }, (_, row) => zeros[(top + row) * across + block] ?? 0));
  });
  const packed = (shape: readonly number[], { buffer }: Int32Array) => {
    return { dtype: "I32", shape, bytes: new Uint8Array(buffer as ArrayBuffer) };
  };
  return {
    codes: packed([rows, columns / 8], words),
    scales: { dtype: "BF16", shape: [rows, across], bytes: toBf16(scales) },
    ...(asymmetric && { zeros: packed([Math.ceil(rows / 8), across], zeroWords) }),
    values: { ...matrix, bytes: toBf16(decoded) },
  };
}

/** A value rounded up to four significant bits: with four of a code they fit the eight of BF16. */
function fourBits(value: number): number {
  const power = 2 ** Math.ceil(Math.log2(value));
  return (Math.ceil((value / power) * 16) / 16) * power;
}

function code(
  { shape, bytes }: StoredBytes,
  [high, wide]: readonly [number, number],
  table: readonly number[],
  scale: "power" | "short" | "exact",
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
    scales[i] = scale === "power" ? power : scale === "exact" ? exact : fourBits(exact);
  }
  const codes = Uint8Array.from(floats, (value, i) => nearest(table, value / scales[blockOf(i)]!));
  const decoded = Float32Array.from(codes, (own, i) => table[own]! * scales[blockOf(i)]!);
  return { codes, scales, grid, decoded };
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
