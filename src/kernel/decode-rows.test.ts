import { readFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { decodeRows } from "./decode-rows.ts";
import { openKernel } from "./pool.ts";
import { type CodedRows, mxfp4 } from "./routines/decode.ts";

const kernel = await openKernel({ workers: 2 });
afterAll(() => kernel.close());

type Shape = Omit<CodedRows, "codes" | "scales" | "firstRow">;

/** Made by test/python/decode_golden.py. */
const file = readFileSync(new URL("../../test/golden/decode.safetensors", import.meta.url));
const dataStart = 8 + Number(file.readBigUInt64LE());
const header = JSON.parse(file.toString("utf8", 8, dataStart));
const cases: (Shape & { readonly name: string })[] = JSON.parse(header.__metadata__.cases);

function tensor(name: string): Uint8Array {
  const [start, end] = header[name].data_offsets;
  return new Uint8Array(file.subarray(dataStart + start, dataStart + end));
}

const coded = ({ name, ...shape }: (typeof cases)[number]): CodedRows => ({
  ...shape,
  codes: tensor(`${name}.codes`),
  scales: tensor(`${name}.scales`),
  firstRow: 0,
});

/** Rows `[start, end)` of a whole matrix, with the scales that they touch. */
function cut(whole: CodedRows, start: number, end: number): CodedRows {
  const rowBytes = whole.codes.length / whole.rows;
  const blockRows = Math.ceil(whole.rows / whole.blockRows);
  const scaleBytes = whole.scales.length / blockRows;
  const first = Math.floor(start / whole.blockRows);
  return {
    ...whole,
    rows: end - start,
    firstRow: start,
    codes: whole.codes.slice(start * rowBytes, end * rowBytes),
    scales: whole.scales.slice(first * scaleBytes, Math.ceil(end / whole.blockRows) * scaleBytes),
  };
}

describe.each(cases)("$name", (shape) => {
  test.each(["F32", "BF16"] as const)("decodes to numpy's %s", async (dtype) => {
    const { bytes } = await decodeRows(kernel, coded(shape), dtype);
    expect(Buffer.from(bytes).equals(tensor(`${shape.name}.${dtype}`))).toBe(true);
  });

  test("the same rows come out of jobs of any size", async () => {
    const expected = Buffer.from(tensor(`${shape.name}.F32`));
    const edges = [0, 1, 3, 63, 64, 65, 127].filter((row) => row < shape.rows);
    for (const [i, start] of edges.entries()) {
      const end = edges[i + 1] ?? shape.rows;
      const { bytes } = await decodeRows(kernel, cut(coded(shape), start, end), "F32");
      const rowBytes = 4 * shape.columns;
      expect(Buffer.from(bytes)).toEqual(expected.subarray(start * rowBytes, end * rowBytes));
    }
  });
});

test("the golden file has every format and every code", () => {
  expect(new Set(cases.map(({ format }) => format))).toEqual(new Set(["e4m3", "e5m2", "e2m1"]));
  for (const name of ["e4m3-one-scale", "e5m2-one-scale", "mxfp4-every-pair"])
    expect(new Set(tensor(`${name}.codes`)).size).toBe(256);
});

test("NaN and infinite results are counted, including those of rounding to BF16", async () => {
  const rows = {
    format: "e4m3",
    codes: Uint8Array.of(0x7f, 0xff, 0x00, 0x78),
    rows: 2,
    columns: 2,
    blockRows: 1,
    blockColumns: 2,
    firstRow: 0,
    scales: new Uint8Array(Float32Array.of(1, 1.3285e36).buffer),
    scaleDtype: "F32",
  } as const satisfies CodedRows;
  expect((await decodeRows(kernel, rows, "F32")).nonFinite).toBe(2);
  expect((await decodeRows(kernel, rows, "BF16")).nonFinite).toBe(3);
});

test("rows of a matrix larger than a slab use their own blocks' scales", async () => {
  const [rows, columns, block] = [300, 520, 128];
  const across = Math.ceil(columns / block);
  const scales = Float32Array.from({ length: Math.ceil(rows / block) * across }, (_, i) => i + 1);
  const codes = new Uint8Array(rows * columns).fill(0x38); // 1
  const { bytes } = await decodeRows(
    kernel,
    {
      format: "e4m3",
      codes,
      rows,
      columns,
      blockRows: block,
      blockColumns: block,
      firstRow: 0,
      scales: new Uint8Array(scales.buffer),
      scaleDtype: "F32",
    },
    "F32",
  );
  const values = new Float32Array(bytes.buffer);
  const wrong = values.findIndex((value, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    return value !== scales[Math.floor(row / block) * across + Math.floor(column / block)];
  });
  expect(wrong).toBe(-1);
});

test("integers of a matrix larger than a slab use their own rows' zero points", async () => {
  const [rows, columns, group] = [1101, 64, 32];
  const across = columns / group;
  const zeroOf = (row: number, block: number) => (row * 5 + block * 3) % 16;
  const zeros = Uint32Array.from({ length: Math.ceil(rows / 8) * across }, (_, i) => {
    const [top, block] = [8 * Math.floor(i / across), i % across];
    const nibbles = Array.from({ length: 8 }, (_, row) => zeroOf(top + row, block) << (4 * row));
    return nibbles.reduce((all, one) => all | one);
  });
  const firstRow = 3;
  const { bytes, badScale } = await decodeRows(
    kernel,
    {
      format: "u4",
      codes: new Uint8Array(((rows - firstRow) * columns) / 2).fill(0x99),
      rows: rows - firstRow,
      columns,
      ...{ blockRows: 1, blockColumns: group, firstRow },
      scales: new Uint8Array(new Float32Array((rows - firstRow) * across).fill(0.5).buffer),
      scaleDtype: "F32",
      zeros: new Uint8Array(zeros.buffer),
    },
    "F32",
  );
  const wrong = new Float32Array(bytes.buffer).findIndex((value, i) => {
    const [row, column] = [firstRow + Math.floor(i / columns), i % columns];
    return value !== (9 - zeroOf(row, Math.floor(column / group))) * 0.5;
  });
  expect({ wrong, badScale }).toEqual({ wrong: -1, badScale: null });
});

test("the first scale that is zero is found beyond a slab", async () => {
  const [rows, columns] = [1101, 64];
  const scales = new Float32Array(rows).fill(1);
  scales.set([0, Number.NaN], 900);
  const { badScale } = await decodeRows(
    kernel,
    {
      format: "e4m3",
      codes: new Uint8Array(rows * columns),
      ...{ rows, columns, blockRows: 1, blockColumns: columns, firstRow: 0 },
      scales: new Uint8Array(scales.buffer),
      scaleDtype: "F32",
    },
    "F32",
  );
  expect(badScale).toBe(900);
});

test("operands of another length are refused", async () => {
  const rows: CodedRows = {
    ...mxfp4,
    codes: new Uint8Array(2 * 16),
    rows: 2,
    columns: 32,
    firstRow: 0,
    scales: new Uint8Array(2),
  };
  const attempts: [Partial<CodedRows>, RegExp][] = [
    [{ codes: new Uint8Array(31) }, /codes have 31 bytes, expected 32/],
    [{ scales: new Uint8Array(1) }, /scales have 1 bytes, expected 2/],
    [{ scaleDtype: "F32" }, /scales have 2 bytes, expected 8/],
    [{ columns: 31 }, /31 columns of half a byte/],
    [{ blockColumns: 3 }, /blocks of 3 columns of half a byte/],
    [{ blockRows: 0 }, /blockRows should be a whole number above 0, got 0/],
    [{ firstRow: -1 }, /firstRow should be a whole number, got -1/],
  ];
  for (const [change, message] of attempts) {
    await expect(decodeRows(kernel, { ...rows, ...change }, "F32")).rejects.toMatchObject({
      code: "INTERNAL",
      message: expect.stringMatching(message),
    });
  }
  await decodeRows(kernel, rows, "BF16");
});
