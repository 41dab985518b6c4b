import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { memoryRepository } from "../../test/hostile/memory.ts";
import { golden, settings } from "../../test/support/coded-golden.ts";
import { openTensors, type StoredBytes } from "../../test/support/safetensors.ts";
import { baseRows } from "../base/base-rows.ts";
import type { FloatDtype } from "../kernel/dtype.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { openKernel } from "../kernel/pool.ts";
import { rolesUnder } from "../models/roles.ts";
import { asCoded, wholeTensor } from "../models/source.ts";
import { transpose } from "../models/transforms.ts";
import type { BaseTensor } from "./coding.ts";
import { findDeclared } from "./declared.ts";
import { valueTensors } from "./value-tensors.ts";

let kernel: Kernel;
beforeAll(async () => {
  kernel = await openKernel({ workers: 1 });
});
afterAll(() => kernel.close());

/** Decodes rows of the matrix of a case, in the dtype in which the golden has its values. */
async function decode(name: string, dtype: FloatDtype, [start, end]: readonly [number, number]) {
  const stored = new Map<string, StoredBytes>();
  for (const [key, tensor] of golden)
    if (key.startsWith(`${name}/`)) stored.set(key.slice(name.length + 1), tensor);
  const config = { model_type: "llama", quantization_config: settings[name] };
  const repository = memoryRepository({});
  const values = valueTensors(stored, findDeclared(config, null, repository), repository);
  expect(values.size).toBe(1);
  const [[tensor, { shape, coding }]] = [...values] as [[string, BaseTensor]];
  const whole = asCoded(wholeTensor(tensor, shape), coding);
  // The golden has the rows of the codes.
  const source = coding?.isTransposed ? transpose(whole, 0) : whole;
  const role = rolesUnder("").norm("norm", "norm", 1);
  expect(source.shape).toEqual(golden.get(`${name}=`)!.shape);
  const planned = {
    role,
    layer: null,
    name: tensor,
    shape: source.shape,
    sources: [source],
    dtype: "F32",
  };
  const part = await baseRows(openTensors(stored), kernel)(planned, { member: 0, start, end });
  if (dtype === "F32") return part.bytes;
  const out = new Uint8Array(new SharedArrayBuffer(part.bytes.length / 2));
  await kernel.run("cast", { weights: part.bytes, from: "F32", to: dtype, out });
  return out;
}

describe.each(Object.keys(settings))("%s", (name) => {
  const { dtype, shape, bytes } = golden.get(`${name}=`)!;
  const rows = shape.slice(0, -1).reduce((product, size) => product * size, 1);

  test("has the values of transformers or compressed-tensors, bit for bit", async () => {
    const rowBytes = bytes.length / rows;
    const last = shape.at(-2)!;
    const within = [
      [0, last],
      [1, 2],
      [7, 9],
      [last - 1, last],
    ] as const;
    // Of a stack, each matrix by itself.
    const ranges = Array.from({ length: rows / last }, (_, matrix) =>
      within.map(([start, end]) => [matrix * last + start, matrix * last + end] as const),
    ).flat();
    for (const range of ranges) {
      const part = await decode(name, dtype as FloatDtype, range);
      expect(Buffer.from(part)).toEqual(
        Buffer.from(bytes.subarray(range[0] * rowBytes, range[1] * rowBytes)),
      );
    }
  });
});

test("a copy of the shape that contradicts the codes is refused when they are read", async () => {
  const copy = golden.get("int4/w.weight_shape")!;
  const { bytes } = copy;
  golden.set("int4/w.weight_shape", { ...copy, bytes: bytes.map((byte) => byte ^ 3) });
  await expect(decode("int4", "BF16", [0, 1])).rejects.toMatchObject({
    code: "BAD_CHECKPOINT",
    message: expect.stringContaining('"w.weight_shape" says that "w.weight" has shape ['),
  });
  golden.set("int4/w.weight_shape", copy);
});

test("the golden has every format, kind of block and dtype of scales", () => {
  expect(Object.keys(settings).length).toBeGreaterThanOrEqual(35);
});
