import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readBase } from "../src/base/base.ts";
import { baseWeights } from "../src/base/base-weights.ts";
import { bundledCorpus } from "../src/calibration/corpus.ts";
import { drawRows, type Rows } from "../src/calibration/rows.ts";
import { openTokenizer } from "../src/calibration/tokenizer.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import { type Divergence, diverge } from "../src/evaluation/divergence.ts";
import { mean, standardError } from "../src/evaluation/statistics.ts";
import { silentReport } from "../src/ground/report.ts";
import { openKernel } from "../src/kernel/pool.ts";
import { openFinished } from "../src/mlx/mlx-weights.ts";
import { integer } from "../src/models/config-fields.ts";
import { Ops } from "../src/models/ops.ts";
import type { TierPlan } from "../src/plan/plan-types.ts";
import type { Propagation } from "../src/quantize/tuning-record.ts";
import { type TuningSettings, tuningSettings } from "../src/quantize/tuning-settings.ts";
import { type Tuning, writeTiers } from "../src/series/write-tiers.ts";
import { means, medians, pairedRatio, type Ratio } from "./statistics.ts";

/** Results of a repository on the held-out rows. */
export interface Compared {
  readonly free: Divergence;
  readonly forced: Divergence;
}

export type Comparison = Awaited<ReturnType<typeof openComparison>>;

const root = fileURLToPath(new URL("../", import.meta.url));
const embedded = join(root, "test/models/nemotron-nano-tiny");

/**
 * A base model (default: the embedded one), its calibration rows and held-out rows, and functions
 * that make and compare quantizations of it.
 */
export async function openComparison(evaluationSamples: number, model = embedded) {
  const kernel = await openKernel();
  const base = await readBase(await openFolder(model), { allowHeaderOnly: false });
  const tokenizer = await openTokenizer(base.checkpoint.repository);
  const vocabularySize = integer(base.config, "vocab_size");
  const draw = async (part: "calibration" | "evaluation", samples: number): Promise<Rows> =>
    drawRows({
      tokenizer,
      corpus: await bundledCorpus(part),
      samples,
      length: 256,
      seed: 1,
      vocabularySize,
    });
  const calibration = await draw("calibration", 128);
  const evaluation = await draw("evaluation", evaluationSamples);
  const { architecture, config } = base;
  const weights = baseWeights(base, kernel);
  const own = { architecture, config, weights, ops: new Ops(kernel) };
  const scratch = await mkdtemp(join(tmpdir(), "oqe-quality-"));

  /**
   * Folders of some plans. With `tuning` null, stock rounding: bit for bit what mlx_lm.convert
   * writes.
   */
  async function make(
    name: string,
    plans: readonly TierPlan[],
    tuning: Tuning | null,
  ): Promise<readonly string[]> {
    const folders = plans.map((plan) => join(scratch, `${name.replace(/\W+/g, "-")}-${plan.tier}`));
    for (const folder of folders) await mkdir(folder, { recursive: true });
    const rounding = tuning === null ? "mlx" : "stored";
    await writeTiers({
      base,
      plans,
      folders,
      licences: [],
      rounding,
      tuning,
      kernel,
      report: silentReport,
    });
    return folders;
  }

  async function compare(folder: string): Promise<Compared> {
    const quantized = await openFinished(await openFolder(folder), kernel);
    const [free, forced] = await diverge(own, evaluation, [
      { model: quantized, forced: false },
      { model: quantized, forced: true },
    ]);
    await quantized.close();
    return { free: free!, forced: forced! };
  }

  /**
   * A peer of bench/peers/ that makes a whole model from the same calibration rows; null, with the
   * reason, if it cannot run.
   */
  async function makeByPeer(script: string, flags: readonly string[] = []) {
    const python = join(
      process.env.OQE_TOOLS ?? join(homedir(), ".cache/oqe-publisher"),
      "python/bin/python",
    );
    if (!existsSync(python)) return { folder: null, reason: "no Python (.ci/toolchain python)" };
    const ids = join(scratch, "ids.json");
    const { samples, length } = calibration;
    const rows = Array.from({ length: samples }, (_, i) => [
      ...calibration.ids.subarray(i * length, (i + 1) * length),
    ]);
    await writeFile(ids, JSON.stringify(rows));
    const folder = join(scratch, script.replace(/\W/g, "-"));
    const path = join(root, "bench/peers", script);
    const { status, stderr, stdout } = spawnSync(python, [path, model, ids, folder, ...flags], {
      encoding: "utf8",
    });
    if (status !== 0) return { folder: null, reason: stderr.trim().split("\n").at(-1)! };
    console.error(stdout.trim());
    return { folder, reason: "" };
  }

  async function close(): Promise<void> {
    await rm(scratch, { recursive: true, force: true });
    await base.checkpoint.close();
    await kernel.close();
  }

  /** By evaluation row. */
  const rowsOf = ({ divergence }: Divergence): Float64Array[] =>
    Array.from({ length: evaluation.samples }, (_, i) =>
      divergence.slice(i * evaluation.length, (i + 1) * evaluation.length),
    );

  /** A line of a table: means in 1e-3 nats, ratios to `other`. */
  function line(name: string, own: Compared, other: Compared, bytes?: number): string {
    const free = rowsOf(own.free);
    const rowMeans = free.map((row) => mean(row));
    const forced = rowsOf(own.forced);
    const cells = [
      ...(bytes === undefined ? [] : [bytes.toLocaleString("en-US")]),
      `${(1e3 * means(free)).toFixed(3)} ± ${(1e3 * standardError(rowMeans)).toFixed(3)}`,
      show(pairedRatio(free, rowsOf(other.free))),
      (1e3 * medians(free)).toFixed(3),
      show(pairedRatio(free, rowsOf(other.free), medians)),
      (1e3 * means(forced)).toFixed(3),
      show(pairedRatio(forced, rowsOf(other.forced))),
      `${(100 * mean(own.free.sameTop)).toFixed(2)} %`,
      `${(100 * routers(own)).toFixed(2)} %`,
    ];
    return `| ${[name, ...cells].join(" | ")} |`;
  }

  return {
    kernel,
    base,
    draw,
    calibration,
    evaluation,
    scratch,
    make,
    compare,
    makeByPeer,
    rowsOf,
    line,
    close,
  };
}

/** Share of the base's choices of experts that the model makes too, mean over layers. */
export function routers({ free }: Compared): number {
  return mean([...free.routerAgreement.values()]);
}

export const show = ({ ratio, error }: Ratio) => `${ratio.toFixed(3)} ± ${error.toFixed(3)}`;

/** Prints the title and the head of a table. */
export function table(title: string, other: string, bytes = false): void {
  const heads = [
    "",
    ...(bytes ? ["bytes"] : []),
    "mean KL, free (1e-3)",
    `of ${other}`,
    "median",
    `of ${other}`,
    "mean KL, forced",
    `of ${other}`,
    "same top",
    "router",
  ];
  console.log(`\n${title}\n\n| ${heads.join(" | ")} |\n|${heads.map(() => "---|").join("")}`);
}

/** The tuning of the product, with some changes. */
export function tunedOn(
  rows: Rows,
  change: Partial<TuningSettings> = {},
  more: Partial<Tuning> = {},
): Tuning {
  const propagation: Propagation = "reference";
  const common = { calibration: rows, propagation, repair: [] };
  return { ...common, settings: { ...tuningSettings, ...change }, ...more };
}

export async function timed<T>(run: () => Promise<T>): Promise<[T, number]> {
  const started = performance.now();
  const value = await run();
  return [value, (performance.now() - started) / 1000];
}
