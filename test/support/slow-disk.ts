import { type FileHandle, open } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { Pending } from "../../src/ground/pending.ts";

type Write = (...args: unknown[]) => Promise<unknown>;

/**
 * Puts something before every write to an open file, as a slow or broken disk would. Gives the
 * function that takes it away.
 */
export async function beforeWrites(wait: (file: FileHandle) => Promise<void>): Promise<() => void> {
  const handle = await open(fileURLToPath(import.meta.url));
  const prototype = Object.getPrototypeOf(handle) as { write: Write; appendFile: Write };
  await handle.close();
  const { write, appendFile } = prototype;
  const delayed = (run: Write): Write =>
    async function (this: FileHandle, ...args: unknown[]) {
      await wait(this);
      return run.apply(this, args);
    };
  Object.assign(prototype, { write: delayed(write), appendFile: delayed(appendFile) });
  return () => void Object.assign(prototype, { write, appendFile });
}

/** Holds every write until its entry in `waiting` is resolved. `free` ends that. */
export async function holdWrites(): Promise<{ waiting: Pending<void>[]; free: () => void }> {
  const waiting: Pending<void>[] = [];
  const free = await beforeWrites(() => {
    const write = new Pending<void>();
    waiting.push(write);
    return write.promise;
  });
  return { waiting, free };
}

/** Gives others the time to do what they should not do. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setTimeout(resolve, 1));
}
