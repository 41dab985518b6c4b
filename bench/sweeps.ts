import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { defaultFloors, parseFloors } from "../src/plan/floors.ts";
import { planTier } from "../src/plan/plan.ts";
import type { TierPlan } from "../src/plan/plan-types.ts";
import { tiers } from "../src/plan/tiers.ts";
import type { Repair } from "../src/quantize/tuning-record.ts";
import type { TuningSettings } from "../src/quantize/tuning-settings.ts";
import { type Compared, openComparison, table, timed, tunedOn } from "./comparison.ts";

/**
 * What coordinate descent brings, by width. Ratios are to descent over all columns of all matrices.
 *   node bench/sweeps.ts [model folder, the embedded one] [--plans 4,5,6,8] [--rows 36] [--few]
 *     [--share 0.375] [--sensitivity s.json] [--directions]
 * A plan is a width for all modules, or a tier, which is planned by the sensitivity. `--few`: 9
 * calibration rows and a share of each expert's tokens, as 32,768 tokens give the 30B. With
 * `--directions` also, what it brings that such experts are tuned for the directions of later
 * routers: both ways have the repairs of the product.
 */
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    plans: { type: "string", default: "4,5,6,8" },
    rows: { type: "string", default: "36" },
    few: { type: "boolean", default: false },
    share: { type: "string", default: "0.375" },
    sensitivity: { type: "string" },
    directions: { type: "boolean", default: false },
  },
});
const sweepsOfFew: Record<string, Partial<TuningSettings>> = {
  "all matrices": { fewTokenSweeps: () => 2 },
  "as by default": {},
  "not experts": { fewTokenSweeps: () => 0 },
};
const ways: Record<string, Partial<TuningSettings>> = options.directions
  ? { "experts too": { fewTokenDirections: true }, "as by default": {} }
  : options.few
    ? sweepsOfFew
    : { "two sweeps": {}, "one sweep": { sweeps: () => 1 }, none: { sweeps: () => 0 } };
const repair: readonly Repair[] = options.directions ? ["router", "rounding"] : [];

const comparison = await openComparison(Number(options.rows), positionals[0]);
const { base, calibration } = comparison;
const rows = options.few ? await comparison.draw("calibration", 9) : calibration;
const expertTokens = options.few ? Number(options.share) : 1;

async function planOf(name: string): Promise<TierPlan> {
  const tier = tiers.find((tier) => tier.name === name);
  if (tier !== undefined) {
    const sensitivity = JSON.parse(await readFile(options.sensitivity!, "utf8"));
    return planTier(tier, base, { sensitivity, floors: parseFloors(defaultFloors) });
  }
  const rules = planTier(tiers.at(-1)!, base);
  const width = { bits: Number(name) as 4 | 5 | 6 | 8, groupSize: 64 as const };
  const modules = Object.entries(rules.modules).map(([path, own]) => [path, own && width]);
  return { ...rules, modules: Object.fromEntries(modules) };
}

for (const name of options.plans.split(",")) {
  const plan = await planOf(name);
  table(name, Object.keys(ways)[0]!);
  let first: Compared | null = null;
  for (const [way, change] of Object.entries(ways)) {
    const tuning = tunedOn(rows, { ...change, expertTokens }, { repair });
    const [folders, seconds] = await timed(() => comparison.make(way, [plan], tuning));
    const compared = await comparison.compare(folders[0]!);
    first ??= compared;
    console.log(comparison.line(`${way} (${seconds.toFixed(0)} s)`, compared, first));
  }
}
await comparison.close();
