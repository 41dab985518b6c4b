import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Base, readBase } from "../src/base/base.ts";
import { baseWeights } from "../src/base/base-weights.ts";
import { bundledCorpus } from "../src/calibration/corpus.ts";
import { drawRows, type Rows } from "../src/calibration/rows.ts";
import { openTokenizer } from "../src/calibration/tokenizer.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import { type Divergence, diverge } from "../src/evaluation/divergence.ts";
import { mean, standardError } from "../src/evaluation/statistics.ts";
import { silentReport } from "../src/ground/report.ts";
import type { Kernel } from "../src/kernel/kernel-types.ts";
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

const root = fileURLToPath(new URL("../", import.meta.url));
const embedded = join(root, "test/models/nemotron-nano-tiny");

/**
 * Opens a base model (default: the embedded one), and draws its calibration rows and held-out rows.
 */
export async function openComparison(
  evaluationSamples: number,
  model = embedded,
): Promise<Comparison> {
  const kernel = await openKernel();
  const base = await readBase(await openFolder(model), { allowHeaderOnly: false });
  const tokenizer = await openTokenizer(base.checkpoint.repository);
  const vocabularySize = integer(base.config, "vocab_size");
  const draw: Drawn["draw"] = async (part, samples) => {
    const corpus = await bundledCorpus(part);
    return drawRows({ tokenizer, corpus, samples, length: 256, seed: 1, vocabularySize });
  };
  return new Comparison({
    ...{ model, kernel, base, draw },
    calibration: await draw("calibration", 128),
    evaluation: await draw("evaluation", evaluationSamples),
    scratch: await mkdtemp(join(tmpdir(), "oqe-quality-")),
  });
}

interface Drawn {
  /** Folder of the base model. */
  readonly model: string;
  readonly kernel: Kernel;
  readonly base: Base;
  readonly draw: (part: "calibration" | "evaluation", samples: number) => Promise<Rows>;
  readonly calibration: Rows;
  readonly evaluation: Rows;
  readonly scratch: string;
}

/** Makes quantizations of a base model, and compares them with it on the held-out rows. */
export class Comparison {
  readonly #drawn: Drawn;
  readonly kernel: Kernel;
  readonly base: Base;
  readonly draw: Drawn["draw"];
  readonly calibration: Rows;
  readonly evaluation: Rows;
  readonly scratch: string;

  constructor(drawn: Drawn) {
    this.#drawn = drawn;
    this.kernel = drawn.kernel;
    this.base = drawn.base;
    this.draw = drawn.draw;
    this.calibration = drawn.calibration;
    this.evaluation = drawn.evaluation;
    this.scratch = drawn.scratch;
  }

  /**
   * Folders of some plans. With `tuning` null, stock rounding: bit for bit what mlx_lm.convert
   * writes.
   */
  async make(
    name: string,
    plans: readonly TierPlan[],
    tuning: Tuning | null,
  ): Promise<readonly string[]> {
    const { base, kernel, scratch } = this;
    const folders = plans.map((plan) => join(scratch, `${name.replace(/\W+/g, "-")}-${plan.tier}`));
    for (const folder of folders) await mkdir(folder, { recursive: true });
    const rounding = tuning === null ? "mlx" : "stored";
    await writeTiers({
      ...{ base, plans, folders, licences: [], rounding, tuning, kernel },
      report: silentReport,
    });
    return folders;
  }

  async compare(folder: string): Promise<Compared> {
    const { base, kernel, evaluation } = this;
    const { architecture, config } = base;
    const own = { architecture, config, weights: baseWeights(base, kernel), ops: new Ops(kernel) };
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
  async makeByPeer(script: string, flags: readonly string[] = []) {
    const tools = process.env.OQE_TOOLS ?? join(homedir(), ".cache/oqe-publisher");
    const python = join(tools, "python/bin/python");
    if (!existsSync(python)) return { folder: null, reason: "no Python (.ci/toolchain python)" };
    const ids = join(this.scratch, "ids.json");
    const { samples, length, ids: tokens } = this.calibration;
    const rows = Array.from({ length: samples }, (_, i) => [
      ...tokens.subarray(i * length, (i + 1) * length),
    ]);
    await writeFile(ids, JSON.stringify(rows));
    const folder = join(this.scratch, script.replace(/\W/g, "-"));
    const call = [join(root, "bench/peers", script), this.#drawn.model, ids, folder, ...flags];
    const { status, stderr, stdout } = spawnSync(python, call, { encoding: "utf8" });
    if (status !== 0) return { folder: null, reason: stderr.trim().split("\n").at(-1)! };
    console.error(stdout.trim());
    return { folder, reason: "" };
  }

  async close(): Promise<void> {
    await rm(this.scratch, { recursive: true, force: true });
    await this.base.checkpoint.close();
    await this.kernel.close();
  }

  /** By evaluation row. */
  rowsOf({ divergence }: Divergence): Float64Array[] {
    const { samples, length } = this.evaluation;
    return Array.from({ length: samples }, (_, i) =>
      divergence.slice(i * length, (i + 1) * length),
    );
  }

  /** A line of a table: means in 1e-3 nats, ratios to `other`. */
  line(name: string, own: Compared, other: Compared, bytes?: number): string {
    const [free, forced] = [this.rowsOf(own.free), this.rowsOf(own.forced)];
    const [freeOf, forcedOf] = [this.rowsOf(other.free), this.rowsOf(other.forced)];
    const error = standardError(free.map((row) => mean(row)));
    const cells = [
      ...(bytes === undefined ? [] : [bytes.toLocaleString("en-US")]),
      `${(1e3 * means(free)).toFixed(3)} ± ${(1e3 * error).toFixed(3)}`,
      show(pairedRatio(free, freeOf)),
      (1e3 * medians(free)).toFixed(3),
      show(pairedRatio(free, freeOf, medians)),
      (1e3 * means(forced)).toFixed(3),
      show(pairedRatio(forced, forcedOf)),
      `${(100 * mean(own.free.sameTop)).toFixed(2)} %`,
      `${(100 * routers(own)).toFixed(2)} %`,
    ];
    return `| ${[name, ...cells].join(" | ")} |`;
  }
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
