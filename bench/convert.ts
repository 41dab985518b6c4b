import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { fingerprint } from "../src/checkpoint/fingerprint.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import { startLocalHub } from "../src/local-hub/local-hub.ts";
import { type Pair, tableOf } from "./convert/table.ts";
import { requireEqualTensors } from "./convert/tensors.ts";
import { hashingTime, leaveCore, measure, python } from "./convert/usage.ts";
import { makeScaled } from "./scale/checkpoint.ts";

/**
 * Pull, widen, round and pack a whole model beside stock `mlx_lm.convert`, each on one core, in
 * turn: first both from the local Hub, whose server has the other core, then both from a folder.
 * The peer downloads into a new cache each time. Both write 4 bits in groups of 64; the bytes of
 * all tensors must be equal. Build dist/ first.
 *   node bench/convert.ts [pairs, 5] [layers, 12] [dist, dist of this checkout]
 */
const root = fileURLToPath(new URL("../", import.meta.url));
const [pairs = "5", layers = "12", dist = join(root, "dist")] = process.argv.slice(2);

const config = {
  ...{ architectures: ["LlamaForCausalLM"], model_type: "llama", torch_dtype: "bfloat16" },
  ...{ hidden_size: 2048, intermediate_size: 5632, num_hidden_layers: Number(layers) },
  ...{ num_attention_heads: 32, num_key_value_heads: 8, head_dim: 64, vocab_size: 32_000 },
  ...{ rms_norm_eps: 1e-5, rope_theta: 10_000, max_position_embeddings: 2048 },
  ...{ hidden_act: "silu", tie_word_embeddings: false, attention_bias: false, mlp_bias: false },
};

async function sizeOf(folder: string): Promise<number> {
  const sizes = (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

const scratch = await mkdtemp(join(tmpdir(), "oqe-convert-"));
const [own, other, cache] = ["own", "other", "cache"].map((name) => join(scratch, name)) as Three;
const tier = join(own, "llama-oQ4.5e");
type Three = [string, string, string];

const ways = [
  ...["--policy", "oq", "--target-bpw", "4.5", "--method", "rounded", "--rounding", "mlx"],
  ...["--workers", "1", "--verify", "false"],
];

/** Bytes that the fingerprint of a folder covers. */
async function fingerprinted(folder: string): Promise<number> {
  const { files, open, close } = await openFolder(folder);
  let bytes = 0;
  const opened = async (path: string) => {
    const source = await open(path);
    const read: typeof source.read = (offset, length, into) => {
      bytes += length;
      return source.read(offset, length, into);
    };
    return { ...source, size: source.size, read };
  };
  await fingerprint({ files, open: opened });
  await close?.();
  return bytes;
}

/** Runs both on a base, of which ours hashes so many bytes, and the tier. */
async function pair(base: string, hashed: number, environment: Record<string, string>) {
  for (const folder of [own, other, cache]) await rm(folder, { recursive: true, force: true });
  const cli = [process.execPath, join(resolve(dist), "cli.js"), "quantize", base, "--out", own];
  const first = await measure([...cli, ...ways], environment);
  const peer = [python, "-m", "mlx_lm", "convert", "--hf-path", base, "--mlx-path", other, "-q"];
  const second = await measure(peer, {
    ...{ HF_HOME: cache, HF_HUB_DISABLE_XET: "1", HF_HUB_DISABLE_TELEMETRY: "1" },
    ...environment,
  });
  const hashing = hashingTime(hashed + (await sizeOf(tier)));
  const result: Pair = { own: first, other: second, hashing };
  console.error(JSON.stringify(result));
  return result;
}

try {
  await leaveCore();
  const folder = join(scratch, "hub/base/llama");
  await mkdir(folder, { recursive: true });
  const bytes = await makeScaled(folder, config);
  await writeFile(join(folder, "README.md"), "---\nlicense: mit\n---\n"); // the peer needs one
  const hub = await startLocalHub({ folder: join(scratch, "hub") });
  const hashed = await fingerprinted(folder);
  const [pulled, read]: [Pair[], Pair[]] = [[], []];
  for (let done = 0; done < Number(pairs); done++) {
    pulled.push(await pair("base/llama", bytes, { HF_ENDPOINT: hub.url }));
    await requireEqualTensors(tier, other);
    read.push(await pair(folder, hashed, { HF_HUB_OFFLINE: "1" }));
    await requireEqualTensors(tier, other);
  }
  await hub.close();
  console.log(`base of ${(bytes / 1e9).toFixed(2)} GB, ${pairs} pairs each, tensors equal\n`);
  console.log(`${tableOf("both from the Hub", pulled)}\n`);
  console.log(tableOf("both from a folder", read));
} finally {
  await rm(scratch, { recursive: true, force: true });
}
