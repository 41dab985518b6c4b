import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { parseReceipt } from "../src/receipt/receipt-file.ts";

/**
 * Tuning beside plain rounding at the same plan and beside stock 4 bits, for each model type:
 * KL(base ‖ quantized) on held-out rows, as the receipts of `oqe quantize --policy oq` have it.
 *   node bench/types.ts [--tiers oQ4e,oQ8e] [--rows 16] [--length 64] [--cli src/cli.ts] [base …]
 * Without a base: the random checkpoints of test/models/random-tiny of the newer types. A base
 * trained by bench/peers/train_type.py has `training.json`, and its row says so.
 */
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tiers: { type: "string", default: "oQ4e,oQ8e" },
    rows: { type: "string", default: "16" },
    length: { type: "string", default: "64" },
    cli: { type: "string", default: fileURLToPath(new URL("../src/cli.ts", import.meta.url)) },
  },
});

const random = fileURLToPath(new URL("../test/models/random-tiny/", import.meta.url));
const newer = [
  ...["qwen3_next", "qwen3_5", "qwen3_5_moe", "gpt_oss", "gpt_oss.float"],
  ...["nemotron_h.dense", "nemotron_h.latent"],
].map((name) => join(random, name));

/** Runs the command line, and gives the evaluations of all tiers by name. */
async function quantize(base: string, ways: readonly string[]) {
  const out = await mkdtemp(join(tmpdir(), "oqe-types-"));
  try {
    const { rows, length } = options;
    const args = [
      ...["quantize", base, "--out", out, "--tiers", options.tiers, "--policy", "oq"],
      ...["--calibration-samples", rows, "--calibration-length", length],
      ...["--evaluation-samples", rows, "--evaluation-length", length],
      // Random weights fail the default gates at 4 bits. Here the figures count, not the verdict.
      ...["--max-kl", "1e6", "--min-same-top", "0", "--min-router-agreement", "0"],
      ...["--workers", "1", ...ways],
    ];
    await run(args);
    const receipts = options.tiers.split(",").map(async (tier) => {
      const path = join(out, `${basename(base)}-${tier}`, "oqe-receipt.json");
      return [tier, parseReceipt(await readFile(path, "utf8"), path).evaluation!] as const;
    });
    return new Map(await Promise.all(receipts));
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

/** Errors if the command fails, with what it wrote. */
function run(args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [options.cli, ...args], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let written = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      written += text;
    });
    child.on("error", reject);
    child.on("close", (code) =>
      code === 0 ? resolve() : reject(new Error(`oqe ${args.join(" ")}\n${written}`)),
    );
  });
}

/** Steps and losses of a trained base, or that its weights are random. */
async function originOf(base: string): Promise<string> {
  const path = join(base, "training.json");
  if (!existsSync(path)) return "random";
  const { steps, first, last } = JSON.parse(await readFile(path, "utf8"));
  return `trained for ${steps} steps, loss ${first} → ${last}`;
}

/** A mean of KL and its standard error in 1e-3 nats. */
function milli(kl: number | null, error: number | null): string {
  if (kl === null) return "–";
  return error === null
    ? (1e3 * kl).toFixed(2)
    : `${(1e3 * kl).toFixed(2)} ± ${(1e3 * error).toFixed(2)}`;
}

const heads = [
  ...["base", "weights", "tier"],
  ...["tuned, free (1e-3)", "rounded, same plan", "stock 4 bits"],
  ...["tuned, forced (1e-3)", "rounded, forced"],
];
console.log(`${cpus()[0]?.model}, load ${loadavg()[0]!.toFixed(1)}\n`);
console.log(`| ${heads.join(" | ")} |\n|---|---|---|${"---:|".repeat(heads.length - 3)}`);
for (const base of positionals.length > 0 ? positionals : newer) {
  const tuned = await quantize(base, []);
  const rounded = await quantize(base, ["--method", "rounded", "--rounding", "mlx"]);
  for (const [tier, own] of tuned) {
    const other = rounded.get(tier)!;
    const cells = [
      ...[basename(base), await originOf(base), tier],
      milli(own.meanKl, own.meanKlError),
      milli(other.meanKl, other.meanKlError),
      own.stock === null ? "–" : milli(own.stock.meanKl, own.stock.meanKlError),
      milli(own.forcedMeanKl, own.forcedMeanKlError),
      milli(other.forcedMeanKl, other.forcedMeanKlError),
    ];
    console.log(`| ${cells.join(" | ")} |`);
    // The receipt compares with plain rounding too: it must be the same rounding.
    if (own.rounded !== null && Math.abs(own.rounded.meanKl / other.meanKl - 1) > 1e-3)
      console.error(`${base} ${tier}: the receipt has ${own.rounded.meanKl} for plain rounding`);
  }
}
console.log(`\nload ${loadavg()[0]!.toFixed(1)}`);
