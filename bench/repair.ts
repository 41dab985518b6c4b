import { readFile } from "node:fs/promises";
import { defaultFloors, parseFloors } from "../src/plan/floors.ts";
import { planTier } from "../src/plan/plan.ts";
import type { Sensitivity } from "../src/plan/sensitivity-types.ts";
import { tiers } from "../src/plan/tiers.ts";
import type { Repair } from "../src/quantize/tuning-record.ts";
import { type Compared, openComparison, table, tunedOn } from "./comparison.ts";

/**
 * The value of each repair on a model, on measured plans, all run for real.
 *   [MODEL=folder] node bench/repair.ts <sensitivity.json> [evaluation rows of 256 tokens, 72]
 *     [tiers] [ways]
 * A way is a list of repairs joined by +, or none; `@32` after it: gates are fitted on 32 rows.
 * After `sequential:` each tier is tuned behind
 * its own blocks. The other ways are compared with the first.
 */
const [path, rows = "72", names = "oQ6e,oQ4e", ways = "none,router,rounding,router+rounding"] =
  process.argv.slice(2);
const sensitivity: Sensitivity = JSON.parse(await readFile(path!, "utf8"));
const comparison = await openComparison(Number(rows), process.env.MODEL);
const { base, calibration } = comparison;
const basis = { sensitivity, floors: parseFloors(defaultFloors) };
for (const name of names.split(",")) {
  table(`${name}, plan by measured costs`, ways.split(",")[0]!);
  const plan = planTier(tiers.find((tier) => tier.name === name)!, base, basis);
  let first: Compared | null = null;
  for (const way of ways.split(",")) {
    const [list, gateRows] = way.replace("sequential:", "").split("@") as [string, string?];
    const repair = (list === "none" ? [] : list.split("+")) as readonly Repair[];
    const propagation = way.startsWith("sequential:") ? "sequential" : "reference";
    const change = gateRows === undefined ? {} : { gateRows: Number(gateRows) };
    const tuning = tunedOn(calibration, change, { repair, propagation });
    const started = process.cpuUsage();
    const [folder] = await comparison.make(`${way} ${name}`, [plan], tuning);
    const { user } = process.cpuUsage(started);
    const compared = await comparison.compare(folder!);
    first ??= compared;
    console.log(comparison.line(`${name} ${way}`, compared, first));
    console.error(`${name} ${way}: ${(user / 1e6).toFixed(0)} s of CPU time to make`);
  }
}
await comparison.close();
