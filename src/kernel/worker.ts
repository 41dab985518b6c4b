import { parentPort, workerData } from "node:worker_threads";
import { instantiate } from "./arena.ts";
import { bytesIn, collectJob } from "./collect.ts";
import { type AnswerOf, type KernelCall, type RoutineName, routineOf } from "./routines.ts";

/**
 * Runs one call at a time on a private instance. A trap ends the thread; the pool starts another.
 */
function run<N extends RoutineName>({ name, job }: KernelCall<N>): AnswerOf<N> {
  return routineOf(name).run(job);
}

instantiate(workerData as WebAssembly.Module);
parentPort!.on("message", (call: KernelCall<RoutineName>) => {
  parentPort!.postMessage(run(call));
  const bytes = bytesIn(call.job);
  // Wait until nothing refers to the call any more.
  setImmediate(() => collectJob(bytes));
});
