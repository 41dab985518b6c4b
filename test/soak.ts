import { writeSync } from "node:fs";
import { inspect, parseArgs } from "node:util";
import { soak } from "./support/soak.ts";

/**
 * `node test/soak.ts --seed 1 --faults 500`: many small runs against a local Hub whose requests
 * fail (support/soak.ts). Prints what happened. At the first wrong end it prints the error with
 * seed and step, also one that nobody waited for, and exits with 1.
 */
const { values } = parseArgs({
  options: { seed: { type: "string", default: "1" }, faults: { type: "string", default: "500" } },
});
const fail = (error: unknown): never => {
  const what = error instanceof Error ? (error.stack ?? error.message) : inspect(error);
  writeSync(2, `the soak with seed ${values.seed} ended wrongly: ${what}\n`); // before the exit
  return process.exit(1);
};
process.on("uncaughtException", fail).on("unhandledRejection", fail);
const before = process.cpuUsage();
const result = await soak({
  seed: Number(values.seed),
  faults: Number(values.faults),
  log: (line) => console.error(line),
}).catch(fail);
const { user, system } = process.cpuUsage(before);
const kinds = Object.entries(result.byKind).map(([kind, count]) => `${kind} ${count}`);
console.log(
  [
    `${result.faults} faults in ${result.runs} runs; ${result.failed} runs ended with a clear error`,
    kinds.sort().join(", "),
    `longest silence in a run, on the client's clock: ${result.silence} s`,
    `${((user + system) / 1e6).toFixed(0)} s of CPU time`,
  ].join("\n"),
);
