import { parentPort, workerData } from "node:worker_threads";
import { instantiate } from "./arena.ts";
import { bytesIn, collect, countShared } from "./collect.ts";
import { type Answer, routineOf, type Task } from "./job.ts";
import { cast, dequantize, quantize } from "./kernel.ts";

/** A worker thread: one private instance, one task at a time. A trap ends the thread; the pool starts another. */
function run(task: Task): Answer {
  switch (task.kind) {
    case "quantize":
      return quantize(task.job, task.out);
    case "dequantize":
      return dequantize(task.job);
    case "cast":
      return cast(task.job);
    case "routine":
      return routineOf(task.name).run(task.job);
  }
}

instantiate(workerData as WebAssembly.Module);
parentPort!.on("message", (task: Task) => {
  parentPort!.postMessage(run(task));
  if (countShared(bytesIn(task.job))) setImmediate(collect); // when nothing refers to the task any more
});
