import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * The bytes of every tier of every test model, to compare two versions of the engine:
 *   node bench/bytes.ts [checkout, this one]
 * A row is a model and a way to make its four tiers. Its hash is the SHA-256 of the lines `<SHA-256
 * of the weights>  <tier>`, in the order of the names. The CLI in `dist/` of the checkout makes the
 * tiers.
 */
const root = fileURLToPath(new URL("../", import.meta.url));
const checkout = process.argv[2] ?? root;

const models = [
  "nemotron-nano-tiny",
  "random-tiny/llama",
  "random-tiny/nemotron_h",
  "random-tiny/qwen3",
  "random-tiny/qwen3_moe",
];
const few = ["--method", "tuned", "--calibration-length", "64"];
const sequential = ["--propagation", "sequential", "--repair", "router,rounding,residual"];
const ways: Record<string, readonly string[]> = {
  rounded: ["--method", "rounded"],
  "rounded as MLX": ["--method", "rounded", "--rounding", "mlx"],
  tuned: [...few, "--calibration-samples", "16"],
  "tuned, sequential, all repairs": [...few, "--calibration-samples", "8", ...sequential],
};
/** Measured plans, 128 calibration rows of 256 tokens: all defaults, on the trained model only. */
const trained = { "all defaults": [] };

console.log("| model | way | tiers |\n|---|---|---|");
for (const model of models) {
  const own = model === models[0] ? { ...ways, ...trained } : ways;
  for (const [way, options] of Object.entries(own)) {
    const out = mkdtempSync(join(tmpdir(), "oqe-bytes-"));
    const cli = join(checkout, "dist/cli.js");
    const base = join(root, "test/models", model);
    const args = ["quantize", base, "--out", out, "--verify", "false", ...options];
    const { status, stderr } = spawnSync(process.execPath, [cli, ...args], { encoding: "utf8" });
    if (status !== 0) throw new Error(`${model}, ${way}: ${stderr}`);
    console.log(`| ${basename(model)} | ${way} | \`${hashOf(out).slice(0, 16)}\` |`);
    rmSync(out, { recursive: true });
  }
}

function hashOf(folder: string): string {
  const lines = readdirSync(folder)
    .sort()
    .map((tier) => `${sha256(readFileSync(join(folder, tier, "model.safetensors")))}  ${tier}\n`);
  return sha256(lines.join(""));
}

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}
