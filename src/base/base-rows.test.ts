import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTensors, readTensors } from "../../test/support/safetensors.ts";
import type { Block, Coding } from "../coding/coding.ts";
import { bytesPerElement } from "../kernel/dtype.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { openKernel } from "../kernel/pool.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { rolesUnder } from "../models/roles.ts";
import { type Source, wholeTensor } from "../models/source.ts";
import {
  cutInto,
  evenRows,
  firstHalf,
  oddRows,
  plusOne,
  range,
  secondHalf,
  sliceOfStack,
  type Transform,
  transpose,
} from "../models/transforms.ts";
import { baseRows, columnsOf, memberRows, rowsPerRead } from "./base-rows.ts";
import { nonFiniteWeights } from "./finite.ts";

/** Made by test/python/seam_goldens.py. */
const golden = readTensors(new URL("../../test/golden/seam.safetensors", import.meta.url));
let kernel: Kernel;

beforeAll(async () => {
  kernel = await openKernel({ workers: 1 });
});
afterAll(() => kernel.close());

/** The MLX tensor that `expected` is, made of the base tensor of its case. */
function planned(expected: string, members: number, steps: readonly Transform[]): PlannedTensor {
  const base = `${expected.split("/")[0]}/base`;
  const whole = wholeTensor(base, golden.get(base)?.shape ?? [2, 6, 64]); // mxfp4
  const sources = Array.from({ length: members }, (_, member) =>
    steps.reduce<Source>((source, step) => step(source, member), whole),
  );
  const { dtype, shape } = golden.get(expected)!;
  const role = rolesUnder("").norm("norm", "norm", 1);
  return { role, layer: null, name: expected, shape, sources, dtype };
}

/** As the base's opening says it of a coded tensor. */
function coded(parts: Pick<Coding, "format" | "codes" | "scales" | "block">): Transform {
  return (source) => ({
    ...source,
    coding: { ...parts, zeros: null, shapeCopy: null, isTransposed: false },
  });
}
const fp8 = (block: Block): Transform => {
  return (source, member) => {
    const [codes, scales] = [source.tensor, `${source.tensor}_scale_inv`];
    return coded({ format: "fp8", codes, scales, block })(source, member);
  };
};
const mxfp4: Transform = (source, member) => {
  const [codes, scales] = [`${source.tensor}_blocks`, `${source.tensor}_scales`];
  return coded({ format: "fp4", codes, scales, block: [1, 32] })(source, member);
};
const all = Number.POSITIVE_INFINITY;
const fp8Blocks = fp8([4, 5]);

const views: readonly (readonly [string, number, readonly Transform[]])[] = [
  ["stack/slices", 3, [sliceOfStack]],
  ["stack/first", 3, [sliceOfStack, firstHalf]],
  ["stack/second", 3, [sliceOfStack, secondHalf]],
  ["stack/even", 3, [sliceOfStack, evenRows]],
  ["stack/odd", 3, [sliceOfStack, oddRows]],
  ["stack/transposed", 3, [sliceOfStack, transpose]],
  ["stack/transposed-even", 3, [sliceOfStack, transpose, evenRows]],
  ["stack/even-transposed", 3, [sliceOfStack, evenRows, transpose]],
  ["matrix/even", 1, [evenRows]],
  ["matrix/transposed", 1, [transpose]],
  ["matrix/middle", 1, [range(3, 4)]],
  ["matrix/heads-first", 2, [cutInto(2), sliceOfStack, range(0, 3), transpose]],
  ["matrix/heads-last", 2, [cutInto(2), sliceOfStack, range(3, 2)]],
  ["biases/even", 3, [sliceOfStack, evenRows]],
  ["biases/second", 3, [sliceOfStack, secondHalf]],
  ["conv/moved", 1, [transpose]],
  ["bf16/plus", 1, [plusOne]],
  ["f16/plus", 1, [plusOne]],
  ["f32/plus", 1, [plusOne]],
  ["fp8/slices", 3, [fp8Blocks, sliceOfStack]],
  ["fp8/odd", 3, [fp8Blocks, sliceOfStack, oddRows]],
  ["fp8/transposed-first", 3, [fp8Blocks, sliceOfStack, transpose, firstHalf]],
  ["fp8/plus", 3, [fp8Blocks, sliceOfStack, plusOne]],
  ["ue8m0/values", 1, [fp8Blocks]],
  ["fp8-rows/values", 1, [fp8([1, all])]],
  ["fp8-tensor/values", 1, [fp8([all, all])]],
  ["fp8-tensor/even", 1, [evenRows, fp8([all, all])]],
  ["mxfp4/slices", 2, [mxfp4, sliceOfStack]],
  ["mxfp4/even", 2, [mxfp4, sliceOfStack, evenRows]],
  ["mxfp4/transposed", 2, [mxfp4, sliceOfStack, transpose]],
];

describe.each(views)("%s", (name, members, steps) => {
  test("is what numpy makes of the base tensor, in every range of rows", async () => {
    const tensor = planned(name, members, steps);
    const read = baseRows(openTensors(golden), kernel);
    const { bytes: expected, dtype } = golden.get(name)!;
    const [rows, columns] = [memberRows(tensor), columnsOf(tensor)];
    const rowBytes = columns * bytesPerElement[dtype]!;
    for (let member = 0; member < members; member++) {
      for (let start = 0; start < rows; start++) {
        for (let end = start + 1; end <= rows; end++) {
          const part = await read(tensor, { member, start, end });
          const at = (member * rows + start) * rowBytes;
          const wanted = expected.subarray(at, at + (end - start) * rowBytes);
          expect(Buffer.from(part.bytes)).toEqual(Buffer.from(wanted));
          expect(part).toMatchObject({ dtype, rows: end - start, columns });
        }
      }
    }
  });
});

describe("a range of rows", () => {
  const bytesRead = async (name: string, members: number, steps: readonly Transform[]) => {
    const checkpoint = openTensors(golden);
    const tensor = planned(name, members, steps);
    await baseRows(checkpoint, kernel)(tensor, { member: 0, start: 1, end: 3 });
    return checkpoint.counted.bytes;
  };

  test("is read as a range: no other rows, but those between every second one", async () => {
    expect(await bytesRead("stack/slices", 3, [sliceOfStack])).toBe(2 * 6 * 2);
    expect(await bytesRead("stack/second", 3, [sliceOfStack, secondHalf])).toBe(2 * 6 * 2);
    expect(await bytesRead("stack/odd", 3, [sliceOfStack, oddRows])).toBe(3 * 6 * 2);
  });

  test("of a transposed member reads that member only, and asks to be read whole", async () => {
    const steps = [sliceOfStack, transpose];
    expect(await bytesRead("stack/transposed", 3, steps)).toBeLessThanOrEqual(8 * 6 * 2);
    expect(rowsPerRead(planned("stack/transposed", 3, steps), 1)).toBe(6);
    expect(rowsPerRead(planned("stack/slices", 3, [sliceOfStack]), 30)).toBe(2);
  });

  test("lies in the given memory where it can, and is right where that is too small", async () => {
    const read = baseRows(openTensors(golden), kernel);
    const tensor = planned("stack/slices", 3, [sliceOfStack]);
    const range = { member: 1, start: 2, end: 5 };
    const into = new Uint8Array(new SharedArrayBuffer(100));
    const there = await read(tensor, range, into);
    expect(there.bytes.buffer).toBe(into.buffer);
    const elsewhere = await read(tensor, range, new Uint8Array(new SharedArrayBuffer(8)));
    expect(elsewhere.bytes).toEqual(there.bytes);
  });
});

test("a value that is not finite is named by the base tensor and its place there", async () => {
  const bytes = golden.get("stack/base")!.bytes.slice();
  const spoiled = new Map(golden).set("stack/base", { ...golden.get("stack/base")!, bytes });
  new DataView(bytes.buffer).setUint16(2 * (2 * 48 + 5 * 6 + 4), 0x7fc0, true); // [2, 5, 4]
  const tensor = planned("stack/transposed", 3, [sliceOfStack, transpose]);
  const read = baseRows(openTensors(spoiled), kernel);
  const values = await read(tensor, { member: 2, start: 3, end: 6 });
  expect(nonFiniteWeights({ tensor, member: 2, row: 3, values }, 1)).toMatchObject({
    code: "BAD_CHECKPOINT",
    message: expect.stringContaining(
      'tensor "stack/base" holds 1 NaN or infinite values, the first at [2, 5, 4]',
    ),
  });
});
