import { parseArgs } from "node:util";
import { fuzz } from "./hostile/fuzz.ts";
import { allTargets } from "./hostile/targets.ts";

/**
 * `node test/fuzz.ts --seed 1 --cases 2000`: damaged documents through every reader of documents
 * from outside (hostile/targets.ts). Prints what became of them; exits with 1 at the first that
 * ends with anything but a value, being passed over, or one clear error. `--first` is the number of
 * the first case.
 */
const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    cases: { type: "string", default: "2000" },
    first: { type: "string", default: "0" },
  },
});
const before = process.cpuUsage();
const tallies = await fuzz(await allTargets(), {
  seed: Number(values.seed),
  cases: Number(values.cases),
  first: Number(values.first),
});
const { user, system } = process.cpuUsage(before);
console.table(Object.fromEntries(tallies));
console.log(`${values.cases} cases, ${((user + system) / 1e6).toFixed(0)} s of CPU time`);
