import { planTier } from "../src/plan/plan.ts";
import { tiers } from "../src/plan/tiers.ts";
import type { Tuning } from "../src/series/write-tiers.ts";
import { type Compared, openComparison, table, timed, tunedOn } from "./comparison.ts";

/**
 * KL(base ‖ quantized) of the embedded model on held-out text, with free and forced routes, for
 * several ways to choose codes. All run for real at the plan of policy `oq`, and are compared by
 * the same engine on the same rows.
 *   node bench/quality.ts [evaluation rows of 256 tokens, 72] [tiers,sequential,methods,few]
 */
const comparison = await openComparison(Number(process.argv[2] ?? 72));
const only = process.argv[3] ?? "";
const wants = (part: string) => only === "" || only.split(",").includes(part);
const { calibration, base } = comparison;
/**
 * 9 rows and three eighths of the tokens of each expert: 0.56 tokens per column of an expert, as
 * 32,768 tokens give the 30B.
 */
const few = await comparison.draw("calibration", 9);
const all = tiers.map(({ name }) => name);
const make = (name: string, names: readonly string[], tuning: Tuning | null) => {
  const plans = tiers
    .filter((tier) => names.includes(tier.name))
    .map((tier) => planTier(tier, base));
  return comparison.make(name, plans, tuning);
};

const roundedFolders = await make(
  "rounded",
  wants("tiers") || wants("sequential") ? all : ["oQ4e"],
  null,
);
const rounded: Compared[] = [];
for (const folder of roundedFolders) rounded.push(await comparison.compare(folder));
const fourth = rounded.at(-1)!;

if (wants("tiers")) {
  const [folders, time] = await timed(() => make("tuned", all, tunedOn(calibration)));
  table(`Tuned (reference activations; all four tiers in ${time.toFixed(0)} s)`, "rounding");
  for (const [i, name] of all.entries()) {
    console.log(comparison.line(`${name} rounded`, rounded[i]!, rounded[i]!));
    console.log(
      comparison.line(`${name} tuned`, await comparison.compare(folders[i]!), rounded[i]!),
    );
  }
}
if (wants("sequential")) {
  const tuning = tunedOn(calibration, {}, { propagation: "sequential" });
  const [folders, time] = await timed(() => make("sequential", all, tuning));
  table(
    `Tuned on each tier's own prefix (sequential; all four tiers in ${time.toFixed(0)} s)`,
    "rounding",
  );
  for (const [i, name] of all.entries()) {
    console.log(
      comparison.line(`${name} sequential`, await comparison.compare(folders[i]!), rounded[i]!),
    );
  }
}
const variant = async (name: string, tuning: Tuning) => {
  const [folder] = await make(name, ["oQ4e"], tuning);
  console.log(comparison.line(name, await comparison.compare(folder!), fourth));
};
if (wants("methods")) {
  table("oQ4e: other methods at the same plan", "rounding");
  await variant(
    "diagonal (imatrix-like)",
    tunedOn(calibration, { curvature: "diagonal", headGroups: 1 }),
  );
  await variant("pooled experts", tunedOn(calibration, { experts: "pooled" }));
  await variant(
    "no shrinkage",
    tunedOn(calibration, { pooledStrength: 0, diagonalStrength: 0, nearWeight: 0 }),
  );
  await variant("one Hessian for the head", tunedOn(calibration, { headGroups: 1 }));
  await variant("no coordinate descent", tunedOn(calibration, { sweeps: () => 0 }));
  const gptq = await comparison.makeByPeer("mlx_gptq_model.py");
  if (gptq.folder === null) console.log(`mlx_lm.gptq: not run, ${gptq.reason}`);
  else
    console.log(
      comparison.line("mlx_lm.gptq (its own plan)", await comparison.compare(gptq.folder), fourth),
    );
}
if (wants("few")) {
  table("oQ4e from few tokens (0.56 tokens per input channel of an expert)", "rounding");
  const part = { expertTokens: 0.375 };
  const plain = { pooledStrength: 0, diagonalStrength: 0, nearWeight: 0, denseStrength: 0 };
  await variant("few: plain GPTQ per expert", tunedOn(few, { ...part, ...plain }));
  await variant("few: pooled only", tunedOn(few, { ...part, experts: "pooled" }));
  await variant("few: ours", tunedOn(few, part));
  await variant("few: ours without near tokens", tunedOn(few, { ...part, nearWeight: 0 }));
}
await comparison.close();
