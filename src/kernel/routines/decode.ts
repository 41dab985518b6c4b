import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyIn, copyOut, dtypeCode, Layout, rowsOfSlab } from "../arena.ts";
import { bytesPerElement, type FloatDtype } from "../dtype.ts";
import type { Routine } from "../routine.ts";
import { struct } from "../struct.ts";

/**
 * Rows of a matrix stored as narrow floats or integers. The matrix is cut into blocks of
 * `blockRows` × `blockColumns`, each with one scale; blocks at the right and lower edge may be
 * smaller. One scale for the whole tensor: blocks of `[rows of the tensor, columns]`. One scale a
 * row: blocks of `[1, columns]`.
 */
export interface CodedRows {
  /**
   * How an element is stored. `e4m3` (finite, NaN at 0x7f and 0xff) and `e5m2` take one byte each.
   * `e2m1` takes half a byte, low nibble first. So does `u4`: a whole number from 0 to 15, less a
   * zero point. Its blocks are one row high.
   */
  readonly format: "e4m3" | "e5m2" | "e2m1" | "u4";
  /** `[rows, columns]`, or `[rows, columns / 2]` bytes for e2m1 and u4. */
  readonly codes: Uint8Array;
  readonly rows: number;
  readonly columns: number;
  readonly blockRows: number;
  readonly blockColumns: number;
  /**
   * Number within the tensor of the first of these rows. Rows need not begin or end with a block.
   */
  readonly firstRow: number;
  /**
   * The scales of all blocks that these rows touch, row-major:
   * `[ceil((firstRow + rows) / blockRows) - floor(firstRow / blockRows), ceil(columns /
   * blockColumns)]`.
   */
  readonly scales: Uint8Array;
  /** `F8_E8M0`: one byte b a scale, 2^(b - 127); 255 is NaN (also called ue8m0). */
  readonly scaleDtype: FloatDtype | "F8_E8M0";
  /**
   * Zero points of u4: words of 32 bits, each with those of 8 rows, lowest bits first:
   * `[ceil((firstRow + rows) / 8) - floor(firstRow / 8), ceil(columns / blockColumns)]`. Absent:
   * all are 8.
   */
  readonly zeros?: Uint8Array;
}

/**
 * MXFP4 (OCP MX specification v1.0): 32 codes share a scale. gpt-oss stores the codes of one expert
 * as `[rows, columns / 32, 16]` bytes and its scales as `[rows, columns / 32]`.
 */
export const mxfp4 = {
  format: "e2m1",
  blockRows: 1,
  blockColumns: 32,
  scaleDtype: "F8_E8M0",
} as const satisfies Partial<CodedRows>;

export interface DecodeJob extends CodedRows {
  readonly to: FloatDtype;
  /** Overwritten: `[rows, columns]` in `to`. */
  readonly out: Uint8Array<SharedArrayBuffer>;
}

export const DecodeCall = struct({
  format: "usize",
  codes: "usize",
  rows: "usize",
  columns: "usize",
  blockRows: "usize",
  blockColumns: "usize",
  skippedRows: "usize",
  scales: "usize",
  scaleDtype: "usize",
  values: "usize",
  to: "usize",
  out: "usize",
  zeros: "usize",
  skippedZeros: "usize",
});

/** Codes of exports/decode.rs. */
const formatCode = { e4m3: 0, e5m2: 1, e2m1: 2, u4: 3 } as const;
const scaleCode = { ...dtypeCode, F8_E8M0: 3 } as const;

export interface Decoded {
  /** How many results are NaN or infinite. */
  readonly nonFinite: number;
  /** Index in `scales` of the first that is NaN, infinite or zero; null: there is none. */
  readonly badScale: number | null;
}

/** element · scale in float32, rounded once; then rounded to `to`, half to even. */
export const decode: Routine<DecodeJob, Decoded> = {
  describe: ({ format, rows, columns, to }) => `decoding of ${rows}x${columns} ${format} to ${to}`,
  check(job, fail) {
    const { rows, columns, blockRows, blockColumns, firstRow } = job;
    for (const [name, number] of Object.entries({ rows, columns, blockRows, blockColumns })) {
      if (!Number.isSafeInteger(number) || number < 1)
        fail(`${name} should be a whole number above 0, got ${number}`);
    }
    if (!Number.isSafeInteger(firstRow) || firstRow < 0)
      fail(`firstRow should be a whole number, got ${firstRow}`);
    if (!Object.hasOwn(formatCode, job.format)) fail(`${job.format} is not a format of codes`);
    if (!Object.hasOwn(scaleCode, job.scaleDtype)) fail(`${job.scaleDtype} is not a scale's dtype`);
    if (isHalves(job) && columns % 2 !== 0)
      fail(`${columns} columns of half a byte do not fill whole bytes`);
    if (job.format === "u4" && blockRows !== 1) fail(`blocks of u4 have one row, not ${blockRows}`);
    if (isHalves(job) && blockColumns < columns && blockColumns % 2 !== 0)
      fail(`blocks of ${blockColumns} columns of half a byte do not fill whole bytes`);
    const expected = {
      codes: rows * rowBytesOf(job),
      scales: scaleRows(job, 0, rows).count * scaleRowBytes(job),
      out: rows * columns * bytesPerElement[job.to]!,
    };
    const zeros = job.zeros === undefined ? {} : { zeros: zeroRows(job, 0, rows).bytes };
    for (const [name, bytes] of Object.entries({ ...expected, ...zeros })) {
      const { byteLength } = job[name as keyof typeof expected];
      if (byteLength !== bytes) fail(`${name} have ${byteLength} bytes, expected ${bytes}`);
    }
  },
  run(job) {
    const { rows, columns, to, out } = job;
    const slab = rowsOfSlab(rows, 4 * columns);
    const [rowBytes, scaleBytes] = [rowBytesOf(job), scaleRowBytes(job)];
    const outBytes = columns * bytesPerElement[to]!;
    const mostScales = Math.min(slab, Math.ceil(slab / job.blockRows) + 1);
    const layout = new Layout();
    const offsets = [
      layout.place(slab * rowBytes),
      layout.place(mostScales * scaleBytes),
      layout.place(4 * slab * columns),
      layout.place(slab * outBytes),
      layout.place(job.zeros === undefined ? 0 : (slab / 8 + 2) * zeroWordBytes(job)),
    ];
    const call = layout.place(DecodeCall.bytes);
    const base = layout.claim();
    const [atCodes, atScales, atValues, atOut, atZeros] = offsets.map(
      (offset) => base + offset,
    ) as Five;
    let nonFinite = 0;
    let badScale: number | null = null;
    for (let start = 0; start < rows; start += slab) {
      const end = Math.min(rows, start + slab);
      const { first, count, skipped } = scaleRows(job, start, end);
      copyIn(atCodes, job.codes, start * rowBytes, end * rowBytes);
      copyIn(atScales, job.scales, first * scaleBytes, (first + count) * scaleBytes);
      const zeros = zeroRows(job, start, end);
      if (job.zeros !== undefined)
        copyIn(atZeros, job.zeros, zeros.first, zeros.first + zeros.bytes);
      DecodeCall.write(base + call, {
        format: formatCode[job.format],
        codes: atCodes,
        rows: end - start,
        columns,
        blockRows: job.blockRows,
        blockColumns: job.blockColumns,
        skippedRows: skipped,
        scales: atScales,
        scaleDtype: scaleCode[job.scaleDtype],
        values: atValues,
        to: dtypeCode[to],
        out: atOut,
        zeros: job.zeros === undefined ? 0 : atZeros,
        skippedZeros: zeros.skipped,
      });
      const bad = wasm.first_bad_scale(base + call);
      if (bad >= 0) badScale ??= first * (scaleBytes / bytesPerElement[job.scaleDtype]!) + bad;
      nonFinite += wasm.decode(base + call);
      copyOut(to === "F32" ? atValues : atOut, out, start * outBytes, end * outBytes);
    }
    return { nonFinite, badScale };
  },
};

type Five = [number, number, number, number, number];

function isHalves({ format }: CodedRows): boolean {
  return format === "e2m1" || format === "u4";
}

function rowBytesOf(rows: CodedRows): number {
  return isHalves(rows) ? rows.columns / 2 : rows.columns;
}

/** Bytes of the words that hold the zero points of 8 rows. */
function zeroWordBytes({ columns, blockColumns }: CodedRows): number {
  return 4 * Math.ceil(columns / blockColumns);
}

/** The bytes of `zeros` that rows `[start, end)` need; rows of the first word before `start`. */
function zeroRows(job: CodedRows, start: number, end: number) {
  const [from, to] = [job.firstRow + start, job.firstRow + end];
  const words = (row: number) => Math.floor(row / 8) - Math.floor(job.firstRow / 8);
  const size = zeroWordBytes(job);
  return {
    first: words(from) * size,
    bytes: (words(to + 7) - words(from)) * size,
    skipped: from % 8,
  };
}

/** Bytes of the scales of one row of blocks. */
function scaleRowBytes({ columns, blockColumns, scaleDtype }: CodedRows): number {
  return Math.ceil(columns / blockColumns) * bytesPerElement[scaleDtype]!;
}

/**
 * The rows of blocks that rows `[start, end)` touch: the first one's place in `scales`, how many
 * there are, and how many rows of the first lie before `start`.
 */
function scaleRows({ firstRow, blockRows }: CodedRows, start: number, end: number) {
  const before = Math.floor(firstRow / blockRows);
  const first = Math.floor((firstRow + start) / blockRows);
  return {
    first: first - before,
    count: Math.ceil((firstRow + end) / blockRows) - first,
    skipped: (firstRow + start) % blockRows,
  };
}
