import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, expect } from "vitest";

/**
 * Fails a test file that leaves a file open: Node closes such a file when it collects garbage,
 * warns of it, and will throw in later versions.
 */
const key = Symbol.for("oqe.files-left-open");
const shared = globalThis as unknown as Record<symbol, string[] | undefined>;
/** Warnings of this process, which runs several test files. */
const warnings = shared[key] ?? [];
if (shared[key] === undefined) {
  shared[key] = warnings;
  process.on("warning", ({ message }) => {
    if (/on garbage collection/.test(message)) warnings.push(message);
  });
}

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

afterAll(async () => {
  collect();
  for (let turn = 0; turn < 3; turn++) await setImmediate();
  expect(warnings.splice(0)).toEqual([]);
});
