import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Base, readBase } from "../src/base/base.ts";
import { finiteWeights } from "../src/base/base-weights.ts";
import type { CalibrationIds } from "../src/calibration/calibration-ids.ts";
import { bundledCorpus } from "../src/calibration/corpus.ts";
import { drawRows, type Rows } from "../src/calibration/rows.ts";
import { openTokenizer } from "../src/calibration/tokenizer.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import { diverge } from "../src/evaluation/divergence.ts";
import { mean } from "../src/evaluation/statistics.ts";
import { silentReport } from "../src/ground/report.ts";
import type { Kernel } from "../src/kernel/kernel-types.ts";
import { openKernel } from "../src/kernel/pool.ts";
import { openFinished } from "../src/mlx/mlx-weights.ts";
import { Ops } from "../src/models/ops.ts";
import { planTier } from "../src/plan/plan.ts";
import type { Sensitivity } from "../src/plan/sensitivity-types.ts";
import { tiers } from "../src/plan/tiers.ts";
import { tuningSettings } from "../src/quantize/tuning-settings.ts";
import { measure } from "../src/sensitivity/measure.ts";
import { probeRowsOf } from "../src/sensitivity/probe-rows.ts";
import { writeTiers } from "../src/series/write-tiers.ts";
import { removeFolder, scratchFolder, tiedMoe } from "./support/models.ts";

const samples = 9;
const module = "model.embed_tokens";

let kernel: Kernel;
let base: Base;
let rows: Rows;
let measured: Sensitivity;
let scratch: string;
/** Mix -> repository. */
const folders = new Map<number, string>();
beforeAll(async () => {
  kernel = await openKernel({ workers: 2 });
  base = await readBase(await openFolder(tiedMoe), { allowHeaderOnly: false });
  rows = await draw("calibration", 27);
  measured = await measure({
    model: { ...base, weights: finiteWeights(base, kernel), ownBits: new Map() },
    rows,
    probeSize: { samples, longest: 128 },
    domainWeights: {},
    identity: {
      engine: { name: "oqe-publisher", version: "0", recipe: 1, kernelSha256: "0" },
      base: { id: null, name: "tied", revision: "0" },
      proxy: null,
    },
    kernel,
    report: silentReport,
  });
  scratch = await scratchFolder();
  for (const { mix } of measured.tied!.tried) folders.set(mix, await write(mix));
});
afterAll(async () => {
  await base.checkpoint.close();
  await kernel.close();
  await removeFolder(scratch);
});

async function draw(part: "calibration" | "evaluation", samples: number): Promise<Rows> {
  return drawRows({
    tokenizer: await openTokenizer(base.checkpoint.repository),
    corpus: await bundledCorpus(part),
    samples,
    length: 64,
    seed: 1,
    vocabularySize: Number(base.config.vocab_size),
  });
}

/** A repository whose table alone is quantized, at 4 bits. */
async function write(tiedMix: number): Promise<string> {
  const probe = probeRowsOf(rows, { samples, longest: 128 }, {});
  const plan = planTier(tiers.at(-1)!, base);
  const folder = join(scratch, `mix-${tiedMix}`);
  await mkdir(folder);
  await writeTiers({
    base,
    plans: [{ ...plan, modules: { [module]: { bits: 4, groupSize: 64 } } }],
    folders: [folder],
    licences: [],
    rounding: "stored",
    tuning: {
      calibration: { ids: probe.others, samples: rows.samples - samples, length: rows.length },
      propagation: "reference",
      repair: [],
      settings: { ...tuningSettings, tiedMix },
    },
    kernel,
    report: silentReport,
  });
  return folder;
}

/** KL of a repository by position, with the base's routes or its own. */
async function klOf(folder: string, text: CalibrationIds, forced: boolean): Promise<Float64Array> {
  const { architecture, config } = base;
  const weights = finiteWeights(base, kernel);
  const own = { architecture, config, weights, ops: new Ops(kernel) };
  const written = await openFinished(await openFolder(folder), kernel);
  const [found] = await diverge(own, text, [{ model: written, forced }]);
  await written.close();
  return found!.divergence;
}

describe("a tied table", () => {
  test("costs about what the table that is written costs in both uses, with each mix", async () => {
    expect(measured.tied!.tried.map(({ mix }) => mix)).toEqual([0, 0.5, 1]);
    const probe = probeRowsOf(rows, { samples, longest: 128 }, {});
    const text = { ids: probe.ids, samples, length: probe.length };
    for (const { mix, forcedKl } of measured.tied!.tried) {
      const found = await klOf(folders.get(mix)!, text, true);
      const compared = [...probe.compared].map((position) => found[position]!);
      const ratio = forcedKl / mean(compared);
      expect(ratio, `mix ${mix}`).toBeGreaterThan(0.8);
      expect(ratio, `mix ${mix}`).toBeLessThan(1.25);
    }
  });

  test("loses no more with the chosen mix than with either end, on other text", async () => {
    const other = await draw("evaluation", 18);
    const lost = async (mix: number) => mean(await klOf(folders.get(mix)!, other, false));
    const [lookups, chosen, head] = [await lost(0), await lost(measured.tied!.mix), await lost(1)];
    expect(chosen).toBeLessThanOrEqual(lookups);
    expect(chosen).toBeLessThanOrEqual(head);
  });

  test("is tuned with the mix that costs least, and has its cost", () => {
    const { mix, tried } = measured.tied!;
    const best = tried.find((one) => one.mix === mix)!;
    expect(best.cost).toBe(Math.min(...tried.map(({ cost }) => cost)));
    expect(new Set(tried.map(({ cost }) => cost)).size).toBe(3);
    const cost = measured.tensors.find((tensor) => tensor.module === module)!;
    expect(cost.widths.find(({ bits }) => bits === 4)!.forcedKl).toBe(best.forcedKl);
  });
});
