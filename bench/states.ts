import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { baseWeights } from "../src/base/base-weights.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import { diverge } from "../src/evaluation/divergence.ts";
import type { Matrix } from "../src/kernel/matrix.ts";
import { openFinished } from "../src/mlx/mlx-weights.ts";
import { Ops } from "../src/models/ops.ts";
import { type KeepStates, keepInMemory } from "../src/models/rider.ts";
import { defaultFloors, parseFloors } from "../src/plan/floors.ts";
import { planTier } from "../src/plan/plan.ts";
import type { Sensitivity } from "../src/plan/sensitivity-types.ts";
import { parseTiers } from "../src/plan/tiers.ts";
import { type Compared, type Comparison, openComparison, table, tunedOn } from "./comparison.ts";

/**
 * What it costs to keep hidden states between two blocks as bf16. Tiers are tuned with float32 and
 * with bf16 states of the calibration rows, and each is evaluated with float32 and with bf16 states
 * of the evaluation rows: those of the base, and those of the tier.
 *   node bench/states.ts [model folder] [--rows 64] [--samples 128] [--tiers oQ8e,oQ6e,oQ5e,oQ4e]
 *     [--plan <sensitivity file of the model>]
 * Rows of the evaluation and of the calibration, 256 tokens each. Default: plans by rules.
 */
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rows: { type: "string", default: "64" },
    samples: { type: "string", default: "128" },
    tiers: { type: "string", default: "oQ8e,oQ6e,oQ5e,oQ4e" },
    plan: { type: "string" },
  },
});

/** Rounds float32 to bf16 in place, to nearest, ties to even. */
function roundToBf16({ data }: Matrix): void {
  const words = new Uint32Array(data.buffer, data.byteOffset, data.length);
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    words[i] = (word + 0x7fff + ((word >>> 16) & 1)) & 0xffff0000;
  }
}

const asBf16: KeepStates = (x) => {
  roundToBf16(x);
  return keepInMemory(x);
};
const kinds = { float32: keepInMemory, bf16: asBf16 } as const;

async function compare(of: Comparison, folder: string, keep: KeepStates): Promise<Compared> {
  const { base, kernel, evaluation } = of;
  const { architecture, config } = base;
  const own = { architecture, config, weights: baseWeights(base, kernel), ops: new Ops(kernel) };
  const model = await openFinished(await openFolder(folder), kernel);
  const runs = [
    { model, forced: false },
    { model, forced: true },
  ];
  const [free, forced] = await diverge(own, evaluation, runs, keep);
  await model.close();
  return { free: free!, forced: forced! };
}

const comparison = await openComparison(Number(options.rows), positionals[0]);
const { base } = comparison;
const calibration = await comparison.draw("calibration", Number(options.samples));
const basis =
  options.plan === undefined
    ? null
    : {
        sensitivity: JSON.parse(await readFile(options.plan, "utf8")) as Sensitivity,
        floors: parseFloors(defaultFloors),
      };
const plans = parseTiers(options.tiers).map((tier) => planTier(tier, base, basis));
const made: Record<string, readonly string[]> = {};
for (const [name, keep] of Object.entries(kinds)) {
  const tuning = tunedOn(calibration, {}, { repair: ["router", "rounding"], keep });
  made[name] = await comparison.make(name, plans, tuning);
}
for (const [i, { tier }] of plans.entries()) {
  table(`${tier}, states of tuning / of evaluation`, "float32");
  let first: Compared | null = null;
  for (const [tuned, folders] of Object.entries(made)) {
    for (const [evaluated, keep] of Object.entries(kinds)) {
      const found = await compare(comparison, folders[i]!, keep);
      first ??= found;
      console.log(comparison.line(`${tuned} / ${evaluated}`, found, first));
    }
  }
}
await comparison.close();
