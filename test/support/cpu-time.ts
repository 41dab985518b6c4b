import { appendFileSync, readdirSync, readFileSync } from "node:fs";
import { relative } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest";

/**
 * With `OQE_TEST_CPU=<file>`, writes there the CPU seconds of each test and of each test file, with
 * those of the processes that it started and waited for. `bench/suites.ts` reads it.
 */
const target = process.env.OQE_TEST_CPU;

let elsewhere = 0;
/** Processes that serve other files too. What they do for this file is counted by each order. */
const shared = new Set<string>();

/** Adds CPU seconds that a shared process spent for this file. */
export function countElsewhere(seconds: number): void {
  elsewhere += seconds;
}

/** Tells that a process, which this file starts, serves the next ones too. */
export function share(process: number): void {
  shared.add(String(process));
}

/** CPU seconds of a process, its children that run and those that ended, by Linux's own count. */
function used(process: string): number {
  try {
    const fields = readFileSync(`/proc/${process}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    const own = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0) / 100;
    const threads = readdirSync(`/proc/${process}/task`);
    const children = threads.flatMap((thread) =>
      readFileSync(`/proc/${process}/task/${thread}/children`, "utf8").split(" ").filter(Boolean),
    );
    const ours = children.filter((child) => !shared.has(child));
    return ours.reduce((sum, child) => sum + used(child), own);
  } catch {
    return 0; // it ended meanwhile, and its parent's count will have it
  }
}

const soFar = () => used("self") + elsewhere;

if (target !== undefined) {
  const write = (what: string, seconds: number) => {
    const file = relative(process.cwd(), expect.getState().testPath ?? "");
    const wall = performance.now() / 1000;
    appendFileSync(target, `${JSON.stringify({ file, what, seconds, wall })}\n`);
  };
  let before = 0;
  beforeAll(() => write("start", soFar()));
  beforeEach(() => {
    before = soFar();
  });
  afterEach(({ task }) => write(`test: ${task.name}`, soFar() - before));
  afterAll(() => write("end", soFar()));
}
