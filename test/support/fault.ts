import { readlinkSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { isMainThread, parentPort } from "node:worker_threads";
import { beforeWrites } from "./slow-disk.ts";

/** Something that goes wrong in a run of the CLI. */
export type Fault =
  /** The disk of `folder` is full before write number `at` to a path that matches `path`. */
  | { readonly kind: "full"; readonly folder: string; readonly path: string; readonly at: number }
  /** Every write takes some milliseconds longer. */
  | { readonly kind: "slow"; readonly milliseconds: number }
  /** A worker thread traps at its job number `at` of this name. */
  | { readonly kind: "trap"; readonly job: string; readonly at: number };

/** The environment of a run in which this goes wrong. */
export function environmentOf(fault: Fault): Record<string, string> {
  const script = new URL(import.meta.url).pathname;
  return {
    NODE_OPTIONS: `--no-warnings --import ${script}`,
    OQE_TEST_FAULT: JSON.stringify(fault),
  };
}

/** What fills a disk. Without it the disk has room again. */
export const filler = (folder: string) => `${folder}/filler`;

async function fill(folder: string): Promise<void> {
  writeFileSync(filler(folder), "");
  const file = await open(filler(folder), "a");
  for (const size of [1 << 20, 1 << 12]) {
    const bytes = new Uint8Array(size);
    // A disk writes what still fits, and says that it is full at the next write.
    const isFull = () =>
      file.appendFile(bytes).then(
        () => false,
        () => true,
      );
    while (!(await isFull()));
  }
  await file.close();
}

async function bring(fault: Fault): Promise<void> {
  let seen = 0;
  if (fault.kind === "slow" && isMainThread)
    await beforeWrites(() => setTimeout(fault.milliseconds));
  if (fault.kind === "full" && isMainThread)
    await beforeWrites(async ({ fd }) => {
      if (!new RegExp(fault.path).test(readlinkSync(`/proc/self/fd/${fd}`))) return;
      if (++seen === fault.at) await fill(fault.folder);
    });
  if (fault.kind === "trap" && parentPort !== null) {
    const on = parentPort.on.bind(parentPort);
    const watched = (event: "message", listener: (task: { name: string }) => void) =>
      on(event, (task: { name: string }) => {
        if (task.name === fault.job && ++seen === fault.at)
          throw Object.assign(new Error("unreachable"), { name: "RuntimeError" });
        listener(task);
      });
    Object.assign(parentPort, { on: watched });
  }
}

// Preloaded into the run by Node (environmentOf).
const given = process.env.OQE_TEST_FAULT;
if (given !== undefined) await bring(JSON.parse(given) as Fault);
