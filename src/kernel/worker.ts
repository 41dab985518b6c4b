import { parentPort, workerData } from "node:worker_threads";
import { instantiate } from "./arena.ts";
import { bytesIn, collectJob } from "./collect.ts";
import { type AnswerOf, type RoutineName, routineOf, type Task } from "./routines.ts";

/**
 * Runs one task at a time on a private instance. A trap ends the thread; the pool starts another.
 */
function run<N extends RoutineName>({ name, job }: Task<N>): AnswerOf<N> {
  return routineOf(name).run(job);
}

instantiate(workerData as WebAssembly.Module);
parentPort!.on("message", (task: Task<RoutineName>) => {
  parentPort!.postMessage(run(task));
  const bytes = bytesIn(task.job);
  // Wait until nothing refers to the task any more.
  setImmediate(() => collectJob(bytes));
});
