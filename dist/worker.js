import { L as bytesIn, _ as instantiate, t as routineOf, z as collectJob } from "./routines.js";
import { parentPort, workerData } from "node:worker_threads";

// src/kernel/worker.ts
/**
* Runs one call at a time on a private instance. A trap ends the thread; the pool starts another.
*/
function run({ name, job }) {
	return routineOf(name).run(job);
}
instantiate(workerData);
parentPort.on("message", (call) => {
	parentPort.postMessage(run(call));
	const bytes = bytesIn(call.job);
	setImmediate(() => collectJob(bytes));
});

export {  };