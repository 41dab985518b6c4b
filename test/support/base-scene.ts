import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { type Base, type BaseOptions, readBase } from "../../src/base/base.ts";
import { openFolder } from "../../src/checkpoint/folder.ts";
import { removeFolder, scratchFolder } from "./models.ts";

/** Paths of new folders for the bases of a test file. They are removed after its tests. */
export function baseFolders(): () => string {
  let scratch: string;
  let made = 0;
  beforeAll(async () => {
    scratch = await scratchFolder();
  });
  afterAll(() => removeFolder(scratch));
  return () => join(scratch, `base-${++made}`);
}

/** Reads a base from its headers and closes its files. Throws what `readBase` throws. */
export async function openBase(folder: string, options: Partial<BaseOptions> = {}): Promise<Base> {
  const base = await readBase(await openFolder(folder), { allowHeaderOnly: false, ...options });
  await base.checkpoint.close();
  return base;
}
