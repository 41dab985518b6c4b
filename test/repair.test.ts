import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Base, readBase } from "../src/base/base.ts";
import { baseWeights } from "../src/base/base-weights.ts";
import type { CalibrationIds } from "../src/calibration/calibration-ids.ts";
import { bundledCorpus } from "../src/calibration/corpus.ts";
import { drawRows } from "../src/calibration/rows.ts";
import { openTokenizer } from "../src/calibration/tokenizer.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import { silentReport } from "../src/ground/report.ts";
import type { Kernel } from "../src/kernel/kernel-types.ts";
import { asWeight, copyMatrix, type Matrix, newMatrix } from "../src/kernel/matrix.ts";
import { openKernel } from "../src/kernel/pool.ts";
import { openFinished } from "../src/mlx/mlx-weights.ts";
import { Ops } from "../src/models/ops.ts";
import type { Routing } from "../src/models/routing.ts";
import type { Model } from "../src/models/run.ts";
import { planTier } from "../src/plan/plan.ts";
import { tiers } from "../src/plan/tiers.ts";
import type { Propagation, Repair, TuningRecord } from "../src/quantize/tuning-record.ts";
import { tuningSettings } from "../src/quantize/tuning-settings.ts";
import { writeTiers } from "../src/series/write-tiers.ts";
import { embedded, removeFolder, scratchFolder, smallest } from "./support/models.ts";
import { runModel } from "./support/run-model.ts";

const slow = { timeout: 300_000 };
const [samples, length] = [32, 64];
const kernel = await openKernel({ workers: 2 });
let folder: string;
/** The trained model, and the random one: it is tuned five times faster. */
let trained: Scene;
let small: Scene;

/** A base and the rows on which it is tuned. */
interface Scene {
  readonly base: Base;
  readonly calibration: CalibrationIds;
}

async function openScene(model: string): Promise<Scene> {
  const base = await readBase(await openFolder(model), { allowHeaderOnly: false });
  const tokenizer = await openTokenizer(base.checkpoint.repository);
  const corpus = await bundledCorpus("calibration");
  const vocabularySize = Number(base.config.vocab_size);
  const calibration = drawRows({ tokenizer, corpus, samples, length, seed: 1, vocabularySize });
  return { base, calibration };
}

beforeAll(async () => {
  folder = await scratchFolder();
  trained = await openScene(embedded);
  small = await openScene(smallest.nemotron_h!);
});
afterAll(async () => {
  for (const { base } of [trained, small]) await base.checkpoint.close();
  await kernel.close();
  await removeFolder(folder);
});

interface How {
  readonly repair: readonly Repair[];
  readonly propagation?: Propagation;
  readonly by?: Kernel;
}

async function tune(name: string, { base: of, calibration: rows }: Scene, how: How) {
  const { repair, propagation = "reference", by = kernel } = how;
  const place = join(folder, name);
  await mkdir(place);
  const plans = [planTier(tiers.find((tier) => tier.name === "oQ4e")!, of)];
  const tuning = {
    calibration: rows,
    propagation,
    repair,
    settings: { ...tuningSettings, gateRows: samples },
  };
  const common = { licences: [], rounding: "stored", kernel: by, report: silentReport } as const;
  const [tier] = await writeTiers({ base: of, plans, folders: [place], tuning, ...common });
  return { place, tuning: tier!.tuning as TuningRecord };
}

/** The tensors of a tier of one shard: name -> bytes in hexadecimal. */
async function tensorsOf(place: string): Promise<Record<string, string>> {
  const file = await readFile(join(place, "model.safetensors")).catch(() =>
    readFile(join(place, "model-00001-of-00001.safetensors")),
  );
  const start = 8 + Number(file.readBigUInt64LE());
  const header = JSON.parse(file.subarray(8, start).toString()) as Record<
    string,
    { data_offsets: [number, number] }
  >;
  return Object.fromEntries(
    Object.entries(header)
      .filter(([name]) => name !== "__metadata__")
      .map(
        ([
          name,
          {
            data_offsets: [from, to],
          },
        ]) => [name, file.subarray(start + from, start + to).toString("hex")],
      ),
  );
}

/**
 * Runs the random model or its tier over all rows. Returns the input of each router, its gate as
 * float32, and its routing. With `choices`, the run follows these.
 */
async function watch(model: Model, choices?: Map<number, Routing>) {
  const seen = new Map<number, { x: Matrix; gate: Float32Array<SharedArrayBuffer> }>();
  const routings = new Map<number, Routing>();
  const routes = (layer: number, own: Routing) => {
    routings.set(layer, own);
    return choices?.get(layer) ?? own;
  };
  const router = async (layer: number, role: string, x: Matrix) => {
    const gate = (await model.weights.unquantized(layer, role))!;
    const own = newMatrix(x.rows, x.columns); // x is reused
    copyMatrix(x, own);
    seen.set(layer, { x: own, gate });
    return gate;
  };
  await runModel(model, small.calibration.ids, { length, router, routes });
  return { seen, routings };
}

describe("a repaired router", () => {
  test("comes nearer to the base's logits on held-out rows, as its record says", slow, async () => {
    const [plain, { place, tuning }] = [
      await tune("plain", small, { repair: [] }),
      await tune("repaired", small, { repair: ["router"] }),
    ];
    expect(plain.tuning.repair).toEqual({ routers: null, routerAware: null, moved: null });
    expect({ ...tuning, repair: null }).toEqual({ ...plain.tuning, repair: null });
    const routers = tuning.repair.routers!;
    expect(routers.map(({ layer }) => layer)).toEqual([1, 4]);
    const repaired = routers.filter(({ repaired }) => repaired);
    expect(repaired.length).toBeGreaterThan(0);

    const [before, after] = [await tensorsOf(plain.place), await tensorsOf(place)];
    const changed = Object.keys(before).filter((name) => before[name] !== after[name]);
    expect(
      changed.map((name) => Number(/layers\.(\d+)\.mixer\.gate\.weight$/.exec(name)![1])),
    ).toEqual(repaired.map(({ layer }) => layer));

    const finished = await openFinished(await openFolder(place), kernel);
    const ops = new Ops(kernel);
    const { base } = small;
    const { architecture, config } = base;
    const theirs = await watch({ architecture, config, weights: baseWeights(base, kernel), ops });
    for (const [layer, { x, gate }] of (await watch(finished, theirs.routings)).seen) {
      const own = theirs.seen.get(layer)!;
      const logits = await ops.linear(own.x, asWeight(own.gate, x.columns));
      const error = async (gate: Float32Array<SharedArrayBuffer>) => {
        const found = await ops.linear(x, asWeight(gate, x.columns));
        let sum = 0;
        for (let i = 0; i < found.data.length; i++) {
          const row = Math.floor(i / found.columns / length);
          if (row % 8 === 7) sum += (found.data[i]! - logits.data[i]!) ** 2;
        }
        return sum;
      };
      const record = routers.find((router) => router.layer === layer)!;
      const ratio = (await error(gate)) / (await error(own.gate));
      expect(ratio).toBeCloseTo(record.repaired ? record.ratio! : 1, 5);
      if (record.repaired) expect(ratio).toBeLessThan(1);
    }
    await finished.close();
  });
});

test(
  "with propagation sequential, residual repair brings the tier's hidden states nearer to the base's, and routers are fitted to the tier's own blocks",
  slow,
  async () => {
    const { base, calibration } = trained;
    const ops = new Ops(kernel);
    const weights = baseWeights(base, kernel);
    const own = { architecture: base.architecture, config: base.config, weights, ops };
    const choices = new Map<number, Routing>();
    const theirs = await runModel(own, calibration.ids, {
      length,
      routes: (layer, routing) => {
        choices.set(layer, routing);
        return routing;
      },
    });
    const distance = async (place: string) => {
      const finished = await openFinished(await openFolder(place), kernel);
      const routes = (layer: number) => choices.get(layer)!;
      const { data } = await runModel(finished, calibration.ids, { length, routes });
      await finished.close();
      return data.reduce((sum, value, i) => sum + (value - theirs.data[i]!) ** 2, 0);
    };
    const [plain, moved] = [
      await tune("unmoved", trained, { repair: [], propagation: "sequential" }),
      await tune("moved", trained, { repair: ["residual", "router"], propagation: "sequential" }),
    ];
    const routers = moved.tuning.repair.routers!;
    expect(routers.map(({ layer }) => layer)).toEqual([1, 3, 6, 8, 10]);
    expect(routers.some(({ repaired, ratio }) => repaired && ratio! < 1)).toBe(true);
    expect(plain.tuning.repair.moved).toBeNull();
    expect(moved.tuning.repair.moved).toBeGreaterThan(10);
    expect((await distance(moved.place)) / (await distance(plain.place))).toBeLessThan(0.97);
  },
);

test(
  "all repairs together give the same bytes and the same record with 1 and 3 workers",
  slow,
  async () => {
    const repair = ["residual", "router", "rounding"] as const;
    const [one, three] = await Promise.all([1, 3].map((workers) => openKernel({ workers })));
    const how = { repair, propagation: "sequential" } as const;
    const first = await tune("one", small, { ...how, by: one! });
    const second = await tune("three", small, { ...how, by: three! });
    expect(first.tuning.repair.moved).toBeGreaterThan(0);
    expect(first.tuning.repair.routers).not.toBeNull();
    expect(first.tuning.repair.routerAware).not.toBeNull();
    expect(second.tuning).toEqual(first.tuning);
    expect(await tensorsOf(second.place)).toEqual(await tensorsOf(first.place));
    await Promise.all([one!.close(), three!.close()]);
  },
);
