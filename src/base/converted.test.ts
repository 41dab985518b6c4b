import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { safetensors } from "../../test/hostile/case.ts";
import { byArchitecture, copyModel, removeFolder } from "../../test/support/models.ts";
import { openFolder } from "../checkpoint/folder.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { openKernel } from "../kernel/pool.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { type Base, readBase } from "./base.ts";
import { baseRows, memberRows } from "./base-rows.ts";

let kernel: Kernel;
beforeAll(async () => {
  kernel = await openKernel({ workers: 1 });
});
afterAll(() => kernel.close());

const open = async (folder: string) =>
  readBase(await openFolder(folder), { allowHeaderOnly: false });

/** All values of a tensor of the MLX repository, as bytes. */
async function bytesOf(base: Base, tensor: PlannedTensor): Promise<Buffer> {
  const read = baseRows(base.checkpoint, kernel);
  const members: Buffer[] = [];
  for (let member = 0; member < tensor.sources.length; member++) {
    const { bytes } = await read(tensor, { member, start: 0, end: memberRows(tensor) });
    members.push(Buffer.from(bytes));
  }
  return Buffer.concat(members);
}

/** The base as mlx-lm converts it without quantizing, save the tensors that `leaves` names. */
async function convert(from: string, leaves: (name: string) => boolean): Promise<string> {
  const folder = await copyModel(from, "converted");
  const base = await open(from);
  const header: Record<string, unknown> = { __metadata__: { format: "mlx" } };
  const parts: Buffer[] = [];
  let end = 0;
  const add = (name: string, dtype: string, shape: readonly number[], bytes: Buffer) => {
    header[name] = { dtype, shape, data_offsets: [end, end + bytes.length] };
    parts.push(bytes);
    end += bytes.length;
  };
  for (const tensor of base.tensors) {
    if (!leaves(tensor.name)) {
      add(tensor.name, tensor.dtype, tensor.shape, await bytesOf(base, tensor));
      continue;
    }
    for (const { tensor: name } of tensor.sources) {
      const { dtype, shape, start, end: stop } = base.checkpoint.tensors.get(name)!;
      add(name, dtype, shape, Buffer.from(await base.checkpoint.read(name, 0, stop - start)));
    }
  }
  await base.checkpoint.close();
  await writeFile(join(folder, "model.safetensors"), safetensors(header, Buffer.concat(parts)));
  return folder;
}

const none = () => false;
const convolutions = (name: string) => name.includes("conv1d");
const { nemotron_h: hybrid } = byArchitecture;

test.each([
  ...Object.values(byArchitecture).map((original) => [original, none] as const),
  [hybrid!, convolutions] as const,
  [hybrid!, (name: string) => !convolutions(name)] as const,
])(
  "an unquantized MLX conversion of %s gives the values of its original",
  async (original, leaves) => {
    const folder = await convert(original, leaves);
    const [one, other] = [await open(original), await open(folder)];
    expect(other.tensors.map(({ name, shape }) => [name, shape])).toEqual(
      one.tensors.map(({ name, shape }) => [name, shape]),
    );
    for (const [at, tensor] of one.tensors.entries()) {
      const same = (await bytesOf(one, tensor)).equals(await bytesOf(other, other.tensors[at]!));
      expect(same, tensor.name).toBe(true);
    }
    for (const base of [one, other]) await base.checkpoint.close();
    await removeFolder(join(folder, ".."));
  },
);
