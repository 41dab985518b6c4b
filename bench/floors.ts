import { readFile } from "node:fs/promises";
import { mean } from "../src/evaluation/statistics.ts";
import { defaultFloors, parseFloors } from "../src/plan/floors.ts";
import { planTier } from "../src/plan/plan.ts";
import type { Sensitivity } from "../src/plan/sensitivity-types.ts";
import { tiers } from "../src/plan/tiers.ts";
import { type Compared, openComparison, table, tunedOn } from "./comparison.ts";

/**
 * What minimum widths cost. Measured plans with different floors, at one budget, are all run for
 * real and compared with the plan without floors.
 *   node bench/floors.ts <model folder> <sensitivity.json> [evaluation rows of 256 tokens, 72]
 *     [tiers] [floors, separated by spaces]
 */
const [
  model,
  path,
  rows = "72",
  names = "oQ4e,oQ5e,oQ6e",
  ways = `none ${defaultFloors} attention=6,embeddings=6,head=6,first-mamba=8`,
] = process.argv.slice(2);
const sensitivity: Sensitivity = JSON.parse(await readFile(path!, "utf8"));
const comparison = await openComparison(Number(rows), model);
const { base, calibration } = comparison;
const tuning = tunedOn(calibration, {}, { repair: ["router", "rounding"] });
for (const name of names.split(",")) {
  const tier = tiers.find((one) => one.name === name)!;
  const budgetBpw = Math.min(tier.budgetBpw, planTier(tier, base).bpw);
  table(`${name}: plans by measured costs, ratios to the plan without floors`, "none", true);
  let first: Compared | null = null;
  for (const way of ways.split(" ")) {
    const basis = { sensitivity, floors: parseFloors(way) };
    const plan = planTier({ ...tier, budgetBpw }, base, basis);
    const [folder] = await comparison.make(`${name} ${way}`, [plan], tuning);
    const compared = await comparison.compare(folder!);
    first ??= compared;
    console.log(comparison.line(`${name} ${way}`, compared, first, plan.bytes));
    const { kl, forcedKl } = plan.predicted!;
    const { free, forced } = compared;
    console.error(
      `${name} ${way}: predicted / measured KL, free ${(kl / mean(free.divergence)).toFixed(2)}, ` +
        `forced ${(forcedKl / mean(forced.divergence)).toFixed(2)}; ` +
        `predicted ${(1e3 * kl).toFixed(3)}; floors cost ${JSON.stringify(plan.floorCosts)}`,
    );
  }
}
await comparison.close();
