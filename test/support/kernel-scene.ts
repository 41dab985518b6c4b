import { afterAll, beforeAll } from "vitest";
import type { Kernel } from "../../src/kernel/kernel-types.ts";
import { openKernel } from "../../src/kernel/pool.ts";
import { removeFolder, scratchFolder } from "./models.ts";

/** A kernel of two workers and a folder for the tests of a file. They are there inside tests. */
export function kernelScene(): { readonly kernel: Kernel; readonly scratch: string } {
  const scene = {} as { kernel: Kernel; scratch: string };
  beforeAll(async () => {
    scene.kernel = await openKernel({ workers: 2 });
    scene.scratch = await scratchFolder();
  });
  afterAll(async () => {
    await scene.kernel.close();
    await removeFolder(scene.scratch);
  });
  return scene;
}
