import { readFile } from "node:fs/promises";
import { mean } from "../src/evaluation/statistics.ts";
import { modulePath } from "../src/mlx/format.ts";
import { outerRole } from "../src/models/run.ts";
import { defaultFloors, parseFloors } from "../src/plan/floors.ts";
import { planTier } from "../src/plan/plan.ts";
import type { TierPlan } from "../src/plan/plan-types.ts";
import type { Sensitivity } from "../src/plan/sensitivity-types.ts";
import { tiers } from "../src/plan/tiers.ts";
import { type Compared, openComparison, table, tunedOn } from "./comparison.ts";

/**
 * How a tied table should be tuned: the table alone at 4 and 6 bits, and a whole tier, with each
 * mix of the two Hessians. Ratios are to the head's Hessian alone.
 *   node bench/tied.ts <model folder> <sensitivity.json> [evaluation rows of 256 tokens, 72] [tier]
 *     [sensitivity.json to plan by, default the same]
 */
const [model, path, rows = "72", name = "oQ5e", other = path] = process.argv.slice(2);
const read = async (file: string): Promise<Sensitivity> => JSON.parse(await readFile(file, "utf8"));
const sensitivity = await read(path!);
const comparison = await openComparison(Number(rows), model);
const { base, calibration } = comparison;
const role = outerRole(base.architecture, "embeddings");
const module = modulePath(base.tensors.find((tensor) => tensor.role.role === role)!);
const costs = sensitivity.tensors.find((tensor) => tensor.module === module)!.widths;
const chosen = sensitivity.tied!.mix;
console.log(`chosen: ${chosen}; tried: ${JSON.stringify(sensitivity.tied!.tried)}`);

const plan = planTier(tiers.find((tier) => tier.name === name)!, base, {
  sensitivity: await read(other!),
  floors: parseFloors(defaultFloors),
});
const alone = (bits: 4 | 6): TierPlan => ({
  ...plan,
  modules: { [module]: { bits, groupSize: 64 } },
});
console.log(`plan of ${name}: table at ${plan.modules[module]!.bits} bits, ${plan.bytes} bytes`);
const repair = base.tensors.some(({ role: { kind } }) => kind === "router")
  ? (["router", "rounding"] as const)
  : [];
for (const [title, made, more] of [
  ["the table alone at 4 bits", alone(4), {}],
  ["the table alone at 6 bits", alone(6), {}],
  [name, plan, { repair }],
] as const) {
  table(title, "the head alone");
  let first: Compared | null = null;
  for (const tiedMix of [1, 0.5, 0]) {
    const tuning = tunedOn(calibration, { tiedMix }, more);
    const [folder] = await comparison.make(`${title} ${tiedMix}`, [made], tuning);
    const compared = await comparison.compare(folder!);
    first ??= compared;
    console.log(comparison.line(`mix ${tiedMix}`, compared, first));
    const predicted =
      made === plan
        ? plan.predicted!.forcedKl
        : costs.find(({ bits }) => bits === made.modules[module]!.bits)!.forcedKl;
    const { divergence } = compared.forced;
    console.error(`predicted / measured, forced: ${(predicted / mean(divergence)).toFixed(2)}`);
  }
}
await comparison.close();
