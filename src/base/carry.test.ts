import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { memoryRepository } from "../../test/hostile/memory.ts";
import { golden, settings } from "../../test/support/coded-golden.ts";
import { openTensors, type StoredBytes } from "../../test/support/safetensors.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { findDeclared } from "../coding/declared.ts";
import { valueTensors } from "../coding/value-tensors.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { openKernel } from "../kernel/pool.ts";
import type { TierSink } from "../mlx/tier-sink.ts";
import { carryTensors } from "../models/carried.ts";
import { bytesToCarry, readCarried, writeCarried } from "./carry.ts";

let kernel: Kernel;
beforeAll(async () => {
  kernel = await openKernel({ workers: 1 });
});
afterAll(() => kernel.close());

/** What a tier holds of a matrix of the golden that is a part to be carried. */
async function carried(name: string, stored: ReadonlyMap<string, StoredBytes>) {
  const repository = memoryRepository({});
  const config = { model_type: "llama", quantization_config: settings[name] };
  const values = valueTensors(stored, findDeclared(config, null, repository), repository);
  const tensors = carryTensors([{ part: "mtp", names: [["w"]] }], values, "BF16");
  const parts: Uint8Array[] = [];
  for await (const { bytes } of readCarried(tensors, openTensors(stored), kernel))
    parts.push(bytes);
  return { tensors, bytes: Buffer.concat(parts) };
}

function storedOf(name: string): Map<string, StoredBytes> {
  const own = [...golden].filter(([key]) => key.startsWith(`${name}/`));
  return new Map(own.map(([key, tensor]) => [key.slice(name.length + 1), tensor]));
}

/** Codes of `_blocks` are in another order than their values, and are not carried. */
const inBf16 = Object.keys(settings).filter((name) => golden.get(`${name}=`)!.dtype === "BF16");

describe.each(inBf16.filter((name) => !name.startsWith("mxfp4")))("%s", (name) => {
  test("is carried as the values of transformers or compressed-tensors, in BF16", async () => {
    const { tensors, bytes } = await carried(name, storedOf(name));
    const { shape, bytes: expected } = golden.get(`${name}=`)!;
    expect(tensors).toMatchObject([{ name: "w.weight", dtype: "BF16", shape }]);
    expect(bytes.equals(Buffer.from(expected))).toBe(true);
  });
});

test("what every tier has from an earlier run is not read", async () => {
  const stored = storedOf("blocks-bf16");
  const { tensors } = await carried("blocks-bf16", stored);
  const checkpoint = openTensors(stored) as ReturnType<typeof openTensors> & Checkpoint;
  const wrote: string[] = [];
  const sink = (known: boolean): TierSink => ({
    has: () => known,
    write: async (name) => void wrote.push(name),
    read: async () => {},
  });
  await writeCarried({ carried: tensors, checkpoint }, kernel, [sink(true), sink(true)]);
  expect({ wrote, read: checkpoint.counted.bytes }).toEqual({ wrote: [], read: 0 });
  await writeCarried({ carried: tensors, checkpoint }, kernel, [sink(true), sink(false)]);
  expect(wrote).toEqual(["w.weight", "w.weight"]);
  const { bytes } = checkpoint.counted;
  expect(bytesToCarry({ carried: tensors, checkpoint })).toBe(bytes);
});

test("codes that are NaN, and values beyond the storage dtype, are refused", async () => {
  const stored = storedOf("blocks-bf16");
  const weight = stored.get("w.weight")!;
  const bytes = weight.bytes.slice();
  bytes[70] = 0x7f;
  stored.set("w.weight", { ...weight, bytes });
  await expect(carried("blocks-bf16", stored)).rejects.toMatchObject({
    code: "BAD_CHECKPOINT",
    message:
      'tensor "w.weight" with scales "w.weight_scale_inv" holds 1 values that are NaN, infinite ' +
      "or beyond the range of BF16",
  });
});
