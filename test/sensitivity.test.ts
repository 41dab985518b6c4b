import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Base, readBase } from "../src/base/base.ts";
import { finiteWeights } from "../src/base/base-weights.ts";
import { bundledCorpus } from "../src/calibration/corpus.ts";
import { drawRows, type Rows } from "../src/calibration/rows.ts";
import { openTokenizer } from "../src/calibration/tokenizer.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import { diverge } from "../src/evaluation/divergence.ts";
import { silentReport } from "../src/ground/report.ts";
import type { Kernel } from "../src/kernel/kernel-types.ts";
import { openKernel } from "../src/kernel/pool.ts";
import { openFinished } from "../src/mlx/mlx-weights.ts";
import { Ops } from "../src/models/ops.ts";
import { planTier } from "../src/plan/plan.ts";
import type { Sensitivity } from "../src/plan/sensitivity-types.ts";
import { tiers } from "../src/plan/tiers.ts";
import { measure } from "../src/sensitivity/measure.ts";
import { openProxy } from "../src/sensitivity/proxy.ts";
import type { MeasuredModel } from "../src/sensitivity/sensitivity-request.ts";
import { writeTiers } from "../src/series/write-tiers.ts";
import { embedded, smallest } from "./support/models.ts";
import { rankCorrelation } from "./support/rank-correlation.ts";

/** A base and the rows on which it is measured. */
interface Scene {
  readonly base: Base;
  readonly rows: Rows;
}

let kernel: Kernel;
let scene: Scene;
let base: Base;
let measured: Sensitivity;
let scratch: string;

async function openScene(folder: string, length: number): Promise<Scene> {
  const base = await readBase(await openFolder(folder), { allowHeaderOnly: false });
  const tokenizer = await openTokenizer(base.checkpoint.repository);
  const corpus = await bundledCorpus("calibration");
  const vocabularySize = Number(base.config.vocab_size);
  const rows = drawRows({ tokenizer, corpus, samples: 18, length, seed: 1, vocabularySize });
  return { base, rows };
}

const identity = (name: string) => ({
  engine: { name: "oqe-publisher", version: "0", recipe: 1, kernelSha256: "0" },
  base: { id: null, name, revision: "0" },
  proxy: null,
});

function modelOf(base: Base, by: Kernel): MeasuredModel {
  const { architecture, config, tensors, storage } = base;
  return {
    architecture,
    config,
    tensors,
    storage,
    weights: finiteWeights(base, by),
    ownBits: new Map(),
  };
}

interface Change {
  readonly by?: Kernel;
  readonly model?: MeasuredModel;
  readonly domainWeights?: Record<string, number>;
}

function run({ base, rows }: Scene, change: Change = {}): Promise<Sensitivity> {
  const { by = kernel, domainWeights = {} } = change;
  return measure({
    model: change.model ?? modelOf(base, by),
    rows,
    probeSize: { samples: 9, longest: 128 },
    domainWeights,
    identity: identity("tiny"),
    kernel: by,
    report: silentReport,
  });
}

beforeAll(async () => {
  kernel = await openKernel({ workers: 2 });
  scene = await openScene(embedded, 48);
  base = scene.base;
  measured = await run(scene);
  scratch = await mkdtemp(join(tmpdir(), "oqe-measure-"));
}, 300_000);

afterAll(async () => {
  await base.checkpoint.close();
  await kernel.close();
  await rm(scratch, { recursive: true, force: true });
});

describe("a sensitivity of the embedded model", () => {
  test("gives every quantized tensor a cost at five widths; fewer bits cost more", () => {
    expect(measured.tensors).toHaveLength(36);
    for (const { module, widths, byDomain } of measured.tensors) {
      expect(widths.map(({ bits }) => bits)).toEqual([3, 4, 5, 6, 8]);
      for (const [i, width] of widths.entries()) {
        expect(width.forcedKl, module).toBeGreaterThan(0);
        if (i === 0) continue;
        expect(width.error, module).toBeLessThan(widths[i - 1]!.error / 2);
        expect(width.forcedKl, module).toBeLessThan(widths[i - 1]!.forcedKl);
        expect(width.bytes, module).toBeGreaterThan(widths[i - 1]!.bytes);
      }
      expect(byDomain.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 9);
    }
  });

  test("forecasts the loss of real tuning on a sample within a third", () => {
    expect(measured.check.length).toBeGreaterThan(50);
    for (const { module, bits, predicted, tuned } of measured.check) {
      expect(predicted / tuned, `${module} at ${bits}`).toBeGreaterThan(0.75);
      expect(predicted / tuned, `${module} at ${bits}`).toBeLessThan(1.33);
    }
  });

  test("the forced KLs of single tensors add up to that of all tensors together", () => {
    const sum = measured.tensors.reduce((total, { widths }) => total + widths[1]!.forcedKl, 0);
    expect(sum / measured.together.forcedKl).toBeGreaterThan(0.85);
    expect(sum / measured.together.forcedKl).toBeLessThan(1.15);
    expect(measured.together.freeKl).toBeGreaterThan(measured.together.forcedKl);
  });

  test("a block's output error times the gain after its depth ranks tensors as probes do", () => {
    const inBlocks = measured.tensors.filter(({ layer }) => layer !== null);
    const gainAfter = (layer: number) =>
      (measured.depthGain.find(({ depth }) => depth > layer) ?? measured.depthGain.at(-1)!).gain;
    const simple = inBlocks.map(({ layer, blockError }) => blockError * gainAfter(layer!));
    const probed = inBlocks.map(({ widths }) => widths[1]!.forcedKl);
    expect(rankCorrelation(simple, probed)).toBeGreaterThan(0.9);
  });

  test("flips cost most before many routers and nothing after the last", () => {
    const flipOf = (module: string) =>
      measured.tensors.find((tensor) => tensor.module === module)!.widths[1]!.flipPower;
    expect(flipOf("backbone.layers.0.mixer.in_proj")).toBeGreaterThan(
      flipOf("backbone.layers.7.mixer.in_proj"),
    );
    expect(flipOf("backbone.layers.10.mixer.switch_mlp.fc1")).toBe(0);
    expect(flipOf("lm_head")).toBe(0);
  });

  test("has the share, gate weight and damage of every expert by domain", () => {
    expect(measured.experts.map(({ layer }) => layer)).toEqual([1, 3, 6, 8, 10]);
    expect(measured.domains).toHaveLength(9);
    for (const { share, gate, damage } of measured.experts) {
      for (const table of [share, gate]) {
        for (const row of table)
          expect(row.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 9);
      }
      for (const row of damage) expect(Math.max(...row)).toBeGreaterThan(0);
    }
    for (const domain of measured.domains)
      expect(measured.critical.some((expert) => expert.domain === domain)).toBe(true);
  });

  test("a proxy of 8 bits gives the same ranking, and one of 4 bits is refused", async () => {
    const made = async (name: string) => {
      const plan = planTier(tiers.find((tier) => tier.name === name)!, base);
      const folder = join(scratch, name);
      await mkdir(folder);
      const request = {
        base,
        plans: [plan],
        folders: [folder],
        licences: [],
        tuning: null,
        kernel,
        report: silentReport,
      };
      await writeTiers({ ...request, rounding: "stored" });
      return openFolder(folder);
    };
    const proxy = await openProxy(await made("oQ8e"), base, kernel);
    const found = await run(scene, { model: proxy });
    await proxy.close();
    for (const i of [0, 1, 2, 3, 4]) {
      const costs = ({ tensors }: Sensitivity, of: "forcedKl" | "flipPower") =>
        tensors.map(({ widths }) => widths[i]![of]);
      for (const of of ["forcedKl", "flipPower"] as const) {
        expect(
          rankCorrelation(costs(found, of), costs(measured, of)),
          `${i} ${of}`,
        ).toBeGreaterThan(0.97);
      }
    }
    const ratios = found.tensors.map(
      ({ widths }, i) => widths[4]!.forcedKl / measured.tensors[i]!.widths[4]!.forcedKl,
    );
    expect(Math.min(...ratios)).toBeGreaterThan(0.5);
    expect(Math.max(...ratios)).toBeLessThan(2);
    const coarse = await made("oQ4e");
    await expect(openProxy(coarse, base, kernel)).rejects.toThrow(
      /at 4 bits; a proxy must have more than 4 bits throughout/,
    );
  }, 300_000);

  test("a plan by its costs has less KL than the rules' plan of as many bytes", async () => {
    const tier = tiers.find(({ name }) => name === "oQ4e")!;
    const plans = [
      planTier(tier, base),
      planTier(tier, base, { sensitivity: measured, floors: {} }),
    ];
    const folders = plans.map((_, i) => join(scratch, `plan-${i}`));
    for (const folder of folders) await mkdir(folder);
    const request = {
      base,
      plans,
      folders,
      licences: [],
      tuning: null,
      kernel,
      report: silentReport,
    };
    await writeTiers({ ...request, rounding: "stored" });
    const { architecture, config } = base;
    const weights = finiteWeights(base, kernel);
    const own = { architecture, config, weights, ops: new Ops(kernel) };
    const losses: number[] = [];
    for (const folder of folders) {
      const model = await openFinished(await openFolder(folder), kernel);
      const [found] = await diverge(own, scene.rows, [{ model, forced: false }]);
      const { divergence } = found!;
      losses.push(divergence.reduce((sum, value) => sum + value, 0) / divergence.length);
      await model.close();
    }
    expect(losses[1]!).toBeLessThan(0.75 * losses[0]!);
  }, 300_000);
});

/** What holds for any weights is tested on the smallest model with experts. */
describe("a sensitivity of a random model", () => {
  let small: Scene;
  let plain: Sensitivity;
  beforeAll(async () => {
    small = await openScene(smallest.nemotron_h!, 32);
    plain = await run(small);
  });
  afterAll(() => small.base.checkpoint.close());

  test("does not depend on the number of workers", async () => {
    const one = await openKernel({ workers: 1 });
    try {
      expect(await run(small, { by: one })).toEqual(plain);
    } finally {
      await one.close();
    }
  });

  test("weighs the costs of each domain by the domain's weight", async () => {
    const code = plain.domains.indexOf("code");
    const domainWeights = Object.fromEntries(
      plain.domains.map((domain) => [domain, domain === "code" ? 1 : 0]),
    );
    const weighted = await run(small, { domainWeights });
    for (const [i, tensor] of weighted.tensors.entries()) {
      expect(tensor.byDomain[code]).toBeCloseTo(1, 9);
      const share = plain.tensors[i]!.byDomain[code]!;
      expect(tensor.widths[1]!.forcedKl / plain.tensors[i]!.widths[1]!.forcedKl).toBeCloseTo(
        share * 9,
        6,
      );
    }
  });
});
