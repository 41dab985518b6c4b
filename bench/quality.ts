import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundledCorpus } from "../src/calibration/corpus.ts";
import { drawRows, type Rows } from "../src/calibration/rows.ts";
import { openTokenizer } from "../src/calibration/tokenizer.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import { openKernel } from "../src/kernel/pool.ts";
import { integer } from "../src/models/config-fields.ts";
import { Ops } from "../src/models/ops.ts";
import { mean, standardError } from "../src/proof/statistics.ts";
import { readBase } from "../src/quant/base.ts";
import { baseWeights } from "../src/quant/base-weights.ts";
import { type Divergence, diverge, observe } from "../src/quant/divergence.ts";
import { type Tuning, writeTiers } from "../src/quant/mlx-repo.ts";
import { openFinished } from "../src/quant/mlx-weights.ts";
import { planTier } from "../src/quant/plan.ts";
import { tiers } from "../src/quant/tiers.ts";
import type { Propagation } from "../src/quant/tuning-record.ts";
import { type TuningSettings, tuningSettings } from "../src/quant/tuning-settings.ts";
import { silentReport } from "../src/report.ts";
import { means, medians, pairedRatio, type Ratio } from "./statistics.ts";

/**
 * What each method does to the embedded model: KL(base ‖ quantized) on held-out text, free and with the base's routes forced, all
 * methods run for real at the same plans and judged by the same engine on the same rows.
 *   node bench/quality.ts [evaluation rows of 256 tokens, 72] [tiers,sequential,methods,few]
 */
const root = fileURLToPath(new URL("../", import.meta.url));
const model = join(root, "test/models/nemotron-nano-tiny");
const evaluationSamples = Number(process.argv[2] ?? 72);
const only = process.argv[3] ?? "";

const kernel = await openKernel();
const base = await readBase(await openFolder(model), { allowHeaderOnly: false });
const tokenizer = await openTokenizer(base.checkpoint.repository);
const vocabularySize = integer(base.config, "vocab_size");
const draw = async (part: "calibration" | "evaluation", samples: number): Promise<Rows> =>
  drawRows({ tokenizer, corpus: await bundledCorpus(part), samples, length: 256, seed: 1, vocabularySize });
const calibration = await draw("calibration", 128);
/** 9 rows and three eighths of each expert's tokens: 0.56 tokens per input channel of an expert, as 32,768 tokens give the 30B. */
const few = await draw("calibration", 9);
const evaluation = await draw("evaluation", evaluationSamples);
const ops = new Ops(kernel);
const reference = await observe(
  { architecture: base.architecture, config: base.config, weights: baseWeights(base, kernel), ops },
  evaluation,
);
const scratch = await mkdtemp(join(tmpdir(), "oqe-quality-"));

/** The tiers of one method, as folders. `tuning` null: stock rounding, bit for bit what mlx_lm.convert writes. */
async function make(name: string, tierNames: readonly string[], tuning: Tuning | null): Promise<readonly string[]> {
  const plans = tiers.filter((tier) => tierNames.includes(tier.name)).map((tier) => planTier(tier, base));
  const folders = plans.map((plan) => join(scratch, `${name}-${plan.tier}`));
  for (const folder of folders) await mkdir(folder, { recursive: true });
  const rounding = tuning === null ? "mlx" : "stored";
  await writeTiers({ base, plans, folders, licences: [], rounding, tuning, kernel, report: silentReport });
  return folders;
}

interface Judged {
  readonly free: Divergence;
  readonly forced: Divergence;
}

async function judge(folder: string): Promise<Judged> {
  const quantized = await openFinished(await openFolder(folder), kernel);
  const [free, forced] = [await diverge(reference, quantized, false), await diverge(reference, quantized, true)];
  await quantized.close();
  return { free, forced };
}

/** By evaluation row. */
function rowsOf({ divergence }: Divergence): Float64Array[] {
  const { samples, length } = evaluation;
  return Array.from({ length: samples }, (_, i) => divergence.slice(i * length, (i + 1) * length));
}

const show = ({ ratio, error }: Ratio) => `${ratio.toFixed(3)} ± ${error.toFixed(3)}`;

function line(name: string, own: Judged, rounded: Judged): string {
  const free = rowsOf(own.free);
  const meanOf = (rows: Float64Array[]) => rows.map((row) => mean(row));
  const kl = `${(1e3 * means(free)).toFixed(3)} ± ${(1e3 * standardError(meanOf(free))).toFixed(3)}`;
  const forced = rowsOf(own.forced);
  const cells = [
    kl,
    show(pairedRatio(free, rowsOf(rounded.free))),
    (1e3 * medians(free)).toFixed(3),
    show(pairedRatio(free, rowsOf(rounded.free), medians)),
    (1e3 * means(forced)).toFixed(3),
    show(pairedRatio(forced, rowsOf(rounded.forced))),
    `${(100 * mean(own.free.sameTop)).toFixed(2)} %`,
    `${(100 * mean([...own.free.routerAgreement.values()])).toFixed(2)} %`,
  ];
  return `| ${[name, ...cells].join(" | ")} |`;
}

const heads = [
  "",
  "mean KL, free (1e-3)",
  "of rounding",
  "median",
  "of rounding",
  "mean KL, forced",
  "of rounding",
  "same top",
  "router",
];
function table(title: string): void {
  console.log(`\n${title}\n\n| ${heads.join(" | ")} |\n|${heads.map(() => "---|").join("")}`);
}

const tuned = (rows: Rows, change: Partial<TuningSettings> = {}, propagation: Propagation = "reference"): Tuning => ({
  calibration: rows,
  propagation,
  critical: new Map(),
  settings: { ...tuningSettings, ...change },
});
const all = tiers.map(({ name }) => name);
const seconds = async <T>(run: () => Promise<T>): Promise<[T, number]> => {
  const started = performance.now();
  const value = await run();
  return [value, (performance.now() - started) / 1000];
};
const wants = (part: string) => only === "" || only.split(",").includes(part);

const roundedFolders = await make("rounded", wants("tiers") || wants("sequential") ? all : ["oQ4e"], null);
const rounded: Judged[] = [];
for (const folder of roundedFolders) rounded.push(await judge(folder));
const fourth = rounded.at(-1)!;

if (wants("tiers")) {
  const [folders, time] = await seconds(() => make("tuned", all, tuned(calibration)));
  table(`Tuned (reference activations; all four tiers in ${time.toFixed(0)} s)`);
  for (const [i, name] of all.entries()) {
    console.log(line(`${name} rounded`, rounded[i]!, rounded[i]!));
    console.log(line(`${name} tuned`, await judge(folders[i]!), rounded[i]!));
  }
}
if (wants("sequential")) {
  const [folders, time] = await seconds(() => make("sequential", all, tuned(calibration, {}, "sequential")));
  table(`Tuned on each tier's own prefix (sequential; all four tiers in ${time.toFixed(0)} s)`);
  for (const [i, name] of all.entries()) console.log(line(`${name} sequential`, await judge(folders[i]!), rounded[i]!));
}
const four = ["oQ4e"];
const variant = async (name: string, tuning: Tuning) => {
  const [folder] = await make(name.replace(/\W+/g, "-"), four, tuning);
  console.log(line(name, await judge(folder!), fourth));
};
if (wants("methods")) {
  table("oQ4e: other methods at the same plan");
  await variant("diagonal (imatrix-like)", tuned(calibration, { curvature: "diagonal", headGroups: 1 }));
  await variant("pooled experts", tuned(calibration, { experts: "pooled" }));
  await variant("no shrinkage", tuned(calibration, { pooledStrength: 0, diagonalStrength: 0, nearWeight: 0 }));
  await variant("one Hessian for the head", tuned(calibration, { headGroups: 1 }));
  await variant("no coordinate descent", tuned(calibration, { sweeps: () => 0 }));
  const gptq = await mlxGptq();
  if (gptq.folder !== null) console.log(line("mlx_lm.gptq (its own plan)", await judge(gptq.folder), fourth));
  else console.log(`mlx_lm.gptq: not run, ${gptq.reason}`);
}
if (wants("few")) {
  table("oQ4e from few tokens (0.56 tokens per input channel of an expert)");
  const part = { expertTokens: 0.375 };
  const plain = { pooledStrength: 0, diagonalStrength: 0, nearWeight: 0, denseStrength: 0 };
  await variant("few: plain GPTQ per expert", tuned(few, { ...part, ...plain }));
  await variant("few: pooled only", tuned(few, { ...part, experts: "pooled" }));
  await variant("few: ours", tuned(few, part));
  await variant("few: ours without near tokens", tuned(few, { ...part, nearWeight: 0 }));
}
await rm(scratch, { recursive: true, force: true });
await base.checkpoint.close();
await kernel.close();

/** The real mlx_lm.gptq on the same calibration rows. */
async function mlxGptq(): Promise<{ folder: string | null; reason: string }> {
  const python = join(process.env.OQE_TOOLS ?? join(homedir(), ".cache/oqe-publisher"), "python/bin/python");
  if (!existsSync(python)) return { folder: null, reason: "no Python (.ci/toolchain python)" };
  const ids = join(scratch, "ids.json");
  const { samples, length } = calibration;
  const rows = Array.from({ length: samples }, (_, i) => [...calibration.ids.subarray(i * length, (i + 1) * length)]);
  await writeFile(ids, JSON.stringify(rows));
  const folder = join(scratch, "mlx-gptq");
  const script = join(root, "bench/peers/mlx_gptq_model.py");
  const { status, stderr, stdout } = spawnSync(python, [script, model, ids, folder], { encoding: "utf8" });
  if (status !== 0) return { folder: null, reason: stderr.trim().split("\n").at(-1)! };
  console.error(stdout.trim());
  return { folder, reason: "" };
}
