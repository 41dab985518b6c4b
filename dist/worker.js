import { D as collect, E as bytesIn, O as countShared, d as instantiate, t as routineOf } from "./routines.js";
import { parentPort, workerData } from "node:worker_threads";

// src/kernel/worker.ts
/**
* Runs one task at a time on a private instance. A trap ends the thread; the pool starts another.
*/
function run({ name, job }) {
	return routineOf(name).run(job);
}
instantiate(workerData);
parentPort.on("message", (task) => {
	parentPort.postMessage(run(task));
	if (countShared(bytesIn(task.job))) setImmediate(collect);
});

export {  };