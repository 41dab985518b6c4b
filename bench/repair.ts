import { readFile } from "node:fs/promises";
import { defaultFloors, parseFloors } from "../src/plan/floors.ts";
import { planTier } from "../src/plan/plan.ts";
import type { Sensitivity } from "../src/plan/sensitivity-types.ts";
import { tiers } from "../src/plan/tiers.ts";
import type { Repair } from "../src/quantize/tuning-record.ts";
import { type Judged, openCourt, table, tunedOn } from "./judgement.ts";

/**
 * What each repair is worth on the embedded model, on plans by measured costs, all run for real.
 *   node bench/repair.ts <sensitivity.json, as `oqe sensitivity` writes it> [evaluation rows of 256 tokens, 72] [tiers] [ways]
 * A way is a list of repairs joined by +, or none; after `sequential:` behind each tier's own blocks. The first is what others are held against.
 */
const [path, rows = "72", names = "oQ6e,oQ4e", ways = "none,router,rounding,router+rounding"] =
  process.argv.slice(2);
const sensitivity: Sensitivity = JSON.parse(await readFile(path!, "utf8"));
const court = await openCourt(Number(rows));
const { base, calibration } = court;
const basis = { sensitivity, floors: parseFloors(defaultFloors) };
for (const name of names.split(",")) {
  table(`${name}, plan by measured costs`, ways.split(",")[0]!);
  const plan = planTier(tiers.find((tier) => tier.name === name)!, base, basis);
  let first: Judged | null = null;
  for (const way of ways.split(",")) {
    const list = way.replace("sequential:", "");
    const repair = (list === "none" ? [] : list.split("+")) as readonly Repair[];
    const propagation = way === list ? "reference" : "sequential";
    const tuning = tunedOn(calibration, {}, { repair, propagation });
    const started = process.cpuUsage();
    const [folder] = await court.make(`${way} ${name}`, [plan], tuning);
    const { user } = process.cpuUsage(started);
    const judged = await court.judge(folder!);
    first ??= judged;
    console.log(court.line(`${name} ${way}`, judged, first));
    console.error(`${name} ${way}: ${(user / 1e6).toFixed(0)} s of processors to make`);
  }
}
await court.close();
