import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ModelConfig } from "../src/checkpoint/model-config.ts";
import { makeCheckpoint } from "../test/support/checkpoints.ts";
import { nemotron30b } from "../test/support/nemotron-30b.ts";

/**
 * Peak resident memory of the CLI. `oqe quantize` makes all four tiers of checkpoints of growing
 * size, the largest more than ten times the memory used. `oqe plan` reads the 60-shard headers of
 * the 30B model.
 */
const root = fileURLToPath(new URL("../", import.meta.url));

/** Blocks as in the 30B model, but fewer and narrower. */
function shrink(pattern: string, experts: number): ModelConfig {
  return {
    ...nemotron30b,
    hybrid_override_pattern: pattern,
    num_hidden_layers: pattern.length,
    n_routed_experts: experts,
    vocab_size: 32768,
  };
}

export interface Usage {
  readonly peak: number;
  readonly seconds: number;
}

/** Runs the CLI in its own process and measures it. */
export async function measureCli(args: readonly string[]): Promise<Usage> {
  const scratch = await mkdtemp(join(tmpdir(), "oqe-bench-"));
  const file = join(scratch, "peak");
  const started = performance.now();
  const child = spawn(
    process.execPath,
    ["--import", `${root}bench/peak.mjs`, `${root}dist/cli.js`, ...args],
    {
      // One process: the parent that the CLI otherwise has does no work.
      env: { PATH: process.env.PATH ?? "", OQE_PEAK_FILE: file, OQE_ONE_PROCESS: "1" },
      stdio: ["ignore", "ignore", "inherit"],
    },
  );
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`oqe ${args.join(" ")} ended with exit code ${code}`);
  const peak = Number(await readFile(file, "utf8"));
  await rm(scratch, { recursive: true });
  return { peak, seconds: (performance.now() - started) / 1000 };
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;

export async function benchMemory(): Promise<string> {
  const scratch = await mkdtemp(join(tmpdir(), "oqe-bench-"));
  const rows: string[] = [];
  try {
    for (const [name, config] of [
      ["ME*, 16 experts", shrink("ME*", 16)],
      ["MEM*E, 64 experts", shrink("MEM*E", 64)],
      ["MEM*EMEME, 64 experts", shrink("MEM*EMEME", 64)],
    ] as const) {
      const base = await makeCheckpoint(`${scratch}/base`, config, 4, "noise");
      const { peak, seconds } = await measureCli([
        "quantize",
        `${scratch}/base`,
        "--out",
        `${scratch}/out`,
        "--method",
        "rounded",
      ]);
      rows.push(
        `| quantize, 4 tiers: ${name} | ${megabytes(base)} | ${megabytes(peak)} | ${(base / peak).toFixed(1)} | ${seconds.toFixed(1)} |`,
      );
      await rm(`${scratch}/base`, { recursive: true });
      await rm(`${scratch}/out`, { recursive: true });
    }
    const base = await makeCheckpoint(`${scratch}/30b`, nemotron30b, 60, "header-only");
    const { peak, seconds } = await measureCli(["plan", `${scratch}/30b`, "--policy", "oq"]);
    rows.push(
      `| plan: Nemotron-3-Nano-30B-A3B, 60 shards of headers | ${megabytes(base)} | ${megabytes(peak)} | ${(base / peak).toFixed(0)} | ${seconds.toFixed(1)} |`,
    );
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return [
    "| command | base | peak RSS | base / peak | wall s |",
    "|---|---:|---:|---:|---:|",
    ...rows,
  ].join("\n");
}

if (import.meta.main) console.log(await benchMemory());
