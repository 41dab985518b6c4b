import { parentPort, workerData } from "node:worker_threads";
import type { Answer, Task } from "./job.ts";
import { cast, dequantize, instantiate, quantize } from "./kernel.ts";

/** A worker thread: one private instance, one task at a time. A trap ends the thread; the pool starts another. */
function run({ kind, job }: Task): Answer {
  switch (kind) {
    case "quantize":
      return quantize(job);
    case "dequantize":
      return dequantize(job);
    case "cast":
      return cast(job);
  }
}

instantiate(workerData as WebAssembly.Module);
parentPort!.on("message", (task: Task) => parentPort!.postMessage(run(task)));
