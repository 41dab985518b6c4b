import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, open, readdir, rm, stat } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { median } from "../src/evaluation/statistics.ts";
import { allocatorSettings, heapFlags } from "../src/ground/memory.ts";
import { startLocalHub } from "../src/local-hub/local-hub.ts";
import { makeScaled } from "./scale/checkpoint.ts";

/**
 * Pull, widen, round and pack a whole model beside stock `mlx_lm.convert`, each on one core, in
 * turn. Ours reads the base from a Hub on the other core over HTTP, theirs from its folder. Both
 * write 4 bits in groups of 64; the bytes of all tensors must be equal. Build dist/ first.
 *   node bench/convert.ts [pairs, 5] [layers, 12]
 */
const [pairs = "5", layers = "12"] = process.argv.slice(2);
const root = fileURLToPath(new URL("../", import.meta.url));
const tools = process.env.OQE_TOOLS ?? join(homedir(), ".cache/oqe-publisher");
const python = join(tools, "python/bin/python");

const config = {
  ...{ architectures: ["LlamaForCausalLM"], model_type: "llama", torch_dtype: "bfloat16" },
  ...{ hidden_size: 2048, intermediate_size: 5632, num_hidden_layers: Number(layers) },
  ...{ num_attention_heads: 32, num_key_value_heads: 8, head_dim: 64, vocab_size: 32_000 },
  ...{ rms_norm_eps: 1e-5, rope_theta: 10_000, max_position_embeddings: 2048 },
  ...{ hidden_act: "silu", tie_word_embeddings: false, attention_bias: false, mlp_bias: false },
};

interface Usage {
  /** Seconds. */
  readonly wall: number;
  readonly cpu: number;
  /** Bytes. */
  readonly peak: number;
  /** CPU seconds of the threads of a name. */
  readonly threads: Readonly<Record<string, number>>;
}

const run = promisify(execFile);

async function measure(
  command: readonly string[],
  environment: Record<string, string>,
): Promise<Usage> {
  const script = join(root, "bench/peers/measured.py");
  const { stdout } = await run(python, [script, "1", ...command], {
    env: { PATH: process.env.PATH ?? "", HOME: homedir(), ...environment },
    maxBuffer: 64 << 20,
  });
  return JSON.parse(stdout) as Usage;
}

/** CPU seconds that SHA-256 takes for so many bytes. */
function hashingTime(bytes: number): number {
  const piece = Buffer.alloc(1 << 20, "oqe");
  const hash = createHash("sha256");
  const start = process.cpuUsage();
  for (let done = 0; done < bytes; done += piece.length) hash.update(piece);
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
}

async function sizeOf(folder: string): Promise<number> {
  const sizes = (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

/** Name of each tensor in the files of a folder -> SHA-256 of its bytes. */
async function tensorsOf(folder: string): Promise<Map<string, string>> {
  const files = (await readdir(folder)).filter((name) => name.endsWith(".safetensors"));
  const found = await Promise.all(files.map((name) => tensorsIn(join(folder, name))));
  return new Map(found.flatMap((tensors) => [...tensors]));
}

async function tensorsIn(path: string): Promise<Map<string, string>> {
  const file = await open(path);
  const length = Number((await file.read(Buffer.alloc(8), 0, 8, 0)).buffer.readBigUInt64LE());
  const header = JSON.parse(
    (await file.read(Buffer.alloc(length), 0, length, 8)).buffer.toString(),
  );
  await file.close();
  const hashes = new Map<string, string>();
  for (const [name, { data_offsets }] of Object.entries<{ data_offsets: [number, number] }>(
    header,
  )) {
    if (name === "__metadata__") continue;
    const [start, end] = data_offsets.map((offset) => 8 + length + offset) as [number, number];
    const hash = createHash("sha256");
    for await (const part of createReadStream(path, { start, end: end - 1 })) hash.update(part);
    hashes.set(name, hash.digest("hex"));
  }
  return hashes;
}

function requireEqual(own: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): void {
  const different = [...own].filter(([name, hash]) => other.get(name) !== hash);
  if (own.size === other.size && different.length === 0) return;
  throw new Error(`${own.size} and ${other.size} tensors; not equal: ${different.join("\n")}`);
}

const scratch = await mkdtemp(join(tmpdir(), "oqe-convert-"));
try {
  const base = join(scratch, "hub/base/llama");
  await mkdir(base, { recursive: true });
  const bytes = await makeScaled(base, config);
  const hub = await startLocalHub({ folder: join(scratch, "hub") });
  const [own, other] = [join(scratch, "own"), join(scratch, "other")];
  const ours = [
    ...[process.execPath, ...heapFlags, join(root, "dist/cli.js")],
    ...["quantize", "base/llama", "--out", own],
    ...["--policy", "oq", "--target-bpw", "4.5", "--method", "rounded", "--rounding", "mlx"],
    ...["--workers", "1", "--verify", "false"],
  ];
  const theirs = [python, "-m", "mlx_lm", "convert", "--hf-path", base, "--mlx-path", other, "-q"];
  // The process that does the work, with the settings that its parent gives it.
  const local = { HF_ENDPOINT: hub.url, OQE_ONE_PROCESS: "1", ...allocatorSettings };
  const results: { own: Usage; other: Usage; hashing: number }[] = [];
  const tier = join(own, "llama-oQ4.5e");
  for (let pair = 0; pair < Number(pairs); pair++) {
    for (const folder of [own, other]) await rm(folder, { recursive: true, force: true });
    const first = await measure(ours, local);
    const second = await measure(theirs, { HF_HUB_OFFLINE: "1" });
    const hashing = hashingTime(bytes + (await sizeOf(tier)));
    results.push({ own: first, other: second, hashing });
    console.error(JSON.stringify(results.at(-1)));
  }
  requireEqual(await tensorsOf(tier), await tensorsOf(other));
  await hub.close();
  console.log(`base of ${(bytes / 1e9).toFixed(2)} GB, ${pairs} pairs, tensors equal\n`);
  console.log("| | oqe | `mlx_lm.convert` | ratio of each pair, median |\n|---|---:|---:|---:|");
  for (const [what, unit, digits] of [
    ["wall", 1, 1],
    ["cpu", 1, 1],
    ["peak", 1e6, 0],
  ] as const) {
    const middle = (of: "own" | "other") =>
      (median(results.map((one) => one[of][what])) / unit).toFixed(digits);
    const ratio = median(results.map((one) => one.own[what] / one.other[what]));
    console.log(`| ${what} | ${middle("own")} | ${middle("other")} | ${ratio.toFixed(2)} |`);
  }
  // The peer proves nothing, so ours is shown without the proof too.
  const proof = median(results.map(({ hashing }) => hashing));
  const rest = median(results.map(({ own: { cpu }, hashing }) => cpu - hashing));
  const ratio = median(results.map(({ own, other, hashing }) => (own.cpu - hashing) / other.cpu));
  const peer = median(results.map(({ other }) => other.cpu)).toFixed(1);
  console.log(`| cpu without hashing | ${rest.toFixed(1)} | ${peer} | ${ratio.toFixed(2)} |`);
  console.log(`| cpu of hashing base and tier | ${proof.toFixed(1)} | 0 | |`);
  for (const name of Object.keys(results[0]!.own.threads)) {
    const seconds = median(results.map(({ own }) => own.threads[name] ?? 0));
    if (seconds >= 0.05) console.log(`| cpu of ${name} | ${seconds.toFixed(1)} | | |`);
  }
} finally {
  await rm(scratch, { recursive: true, force: true });
}
