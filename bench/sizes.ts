import type { Rows } from "../src/calibration/rows.ts";
import { fitRun, secondsOf } from "../src/estimate/run-estimate.ts";
import { OqeError } from "../src/ground/errors.ts";
import { sum } from "../src/ground/sum.ts";
import { sharedIntegers } from "../src/kernel/matrix.ts";
import { planTier } from "../src/plan/plan.ts";
import { tiers } from "../src/plan/tiers.ts";
import { evaluationShape, everyOf } from "../src/series/rows.ts";
import { foreseeSeries, type SeriesRequest } from "../src/series/run-needs.ts";
import { shapedBase } from "../test/support/shaped-base.ts";
import { knownModels } from "./sizes/models.ts";

/**
 * What publishing a series takes, by the size of the model: the table of README.md. It comes from
 * the shapes alone, by the same estimate as a run prints, with all defaults and one job for all
 * four tiers, on the first runner that it fits. Hours are those of the arithmetic, with the threads
 * of the runner at 45 GF/s each.
 *   node bench/sizes.ts
 */
const speed = 45e9;
/** GitHub's free runners for public repositories (docs.github.com, "GitHub-hosted runners"). */
const runners = [
  { label: "macos-latest", threads: 3, memory: 7e9, disk: 14e9 },
  { label: "ubuntu-24.04-arm", threads: 4, memory: 16e9, disk: 14e9 },
] as const;
const domains = 9;

console.log("| model | parameters | reads | memory | disk | hours | runner |");
console.log("|---|---:|---:|---:|---:|---:|---|");
for (const { id, config } of knownModels) {
  const shaped = shapedBase(config);
  const parameters = sum(shaped.tensors, ({ shape }) => shape.reduce((a, b) => a * b, 1));
  const base = { ...shaped, parameters };
  const plans = tiers.map((tier) => planTier(tier, base));
  const options = { repair: ["router", "rounding"], propagation: "reference" };
  const evaluation = evaluationShape(base, {});
  // What the estimate reads of a request.
  const request = {
    base,
    runs: plans.map((plan) => ({ recipe: { plan, series: plans, options } })),
    rows: {
      tuning: { rows: rowsOf(128, 256) },
      evaluation: { rows: rowsOf(evaluation.samples, evaluation.length), every: everyOf(base) },
    },
    sources: { measures: true, given: null, proxy: null },
    staging: {},
  } as unknown as SeriesRequest;
  for (const runner of runners) {
    const estimate = foreseeSeries(request, runner.threads);
    const { memory, disk: free } = runner;
    const machine = { given: null, usual: 0.6 * memory, memory, folder: ".", free };
    const hours = sum(estimate.stages, (stage) => secondsOf(stage, runner.threads * speed)) / 3600;
    const read = sum(estimate.reads, ({ bytes }) => bytes);
    const cells = [id, billions(parameters), gigabytes(read)];
    try {
      const fit = fitRun(estimate, plans, machine);
      const used = Math.max(
        estimate.least.bytes,
        (fit.inTurn ? estimate.holding : estimate.sideBySide) + fit.inMemory,
      );
      cells.push(gigabytes(used), gigabytes(fit.disk), hours.toFixed(1), runner.label);
    } catch (error) {
      if (!(error instanceof OqeError)) throw error;
      continue; // it does not fit
    }
    console.log(`| ${cells.join(" | ")} |`);
    break;
  }
}

function rowsOf(samples: number, length: number): Rows {
  const rows = Array.from({ length: samples }, (_, row) => ({
    domain: `d${Math.floor((row * domains) / samples)}`,
  }));
  const counts: Record<string, number> = {};
  for (const { domain } of rows) counts[domain] = (counts[domain] ?? 0) + 1;
  const ids = sharedIntegers(samples * length);
  return { ids, samples, length, rows, domains: counts, tokens: ids.length, sha256: "" };
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

function billions(count: number): string {
  return `${(count / 1e9).toFixed(1)} B`;
}
