import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bytesOf, convertUnquantized, openBaseFolder } from "../../test/support/converted.ts";
import { byArchitecture, removeFolder } from "../../test/support/models.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { openKernel } from "../kernel/pool.ts";

let kernel: Kernel;
beforeAll(async () => {
  kernel = await openKernel({ workers: 1 });
});
afterAll(() => kernel.close());

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
    const folder = await convertUnquantized(original, kernel, leaves);
    const [one, other] = [await openBaseFolder(original), await openBaseFolder(folder)];
    expect(other.tensors.map(({ name, shape }) => [name, shape])).toEqual(
      one.tensors.map(({ name, shape }) => [name, shape]),
    );
    for (const [at, tensor] of one.tensors.entries()) {
      const [ours, theirs] = [
        await bytesOf(one, tensor, kernel),
        await bytesOf(other, other.tensors[at]!, kernel),
      ];
      expect(ours.equals(theirs), tensor.name).toBe(true);
    }
    for (const base of [one, other]) await base.checkpoint.close();
    await removeFolder(join(folder, ".."));
  },
);
