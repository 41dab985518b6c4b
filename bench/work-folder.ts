import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readBase } from "../src/base/base.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import { tiersOnDisk } from "../src/estimate/disk.ts";
import { shapeOf } from "../src/estimate/model-shape.ts";
import { parseSize } from "../src/ground/digits.ts";
import { total } from "../src/ground/sum.ts";
import { planTier } from "../src/plan/plan.ts";
import { tiers } from "../src/plan/tiers.ts";
import { nemotron30b } from "../test/support/nemotron-30b.ts";
import { base, type Scene, withScene } from "./scale/run.ts";

/**
 * The most bytes in the work folder while one tier is published from blocks of a 30B's true width,
 * staged on a local Hub in this process, beside what src/estimate/disk.ts predicts for this model.
 *   node bench/work-folder.ts [--pattern MEMEMEMEMEM*E] [--experts 128] [--vocabulary 131072]
 *     [--tier oQ4e] [--samples 16] [--computed 1] [--all] [--rate 100MB]
 * Of jobs that tune, `--computed` of each kind run (0: all), and of products too, unless `--all`:
 * the bytes of such a tier have no meaning, its sizes do. `--rate` as in scale.ts; without it the
 * Hub is as fast as this machine. The folder is looked at ten times a second. What counts is what
 * the disk gave to each file.
 */
const { values: options } = parseArgs({
  options: {
    pattern: { type: "string", default: "MEMEMEMEMEM*E" },
    experts: { type: "string", default: "128" },
    vocabulary: { type: "string", default: "131072" },
    tier: { type: "string", default: "oQ4e" },
    samples: { type: "string", default: "16" },
    computed: { type: "string", default: "1" },
    all: { type: "boolean", default: false },
    rate: { type: "string" },
  },
});

/** Bytes by kind: the shards and pieces of the tier, hidden states and waiting bytes, the rest. */
type Sizes = Record<"tier" | "states" | "other", number>;

/** What the files below a folder have of the disk. Files come and go meanwhile. */
async function sizesOf(folder: string): Promise<Sizes> {
  const sizes: Sizes = { tier: 0, states: 0, other: 0 };
  const found = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  for (const entry of found) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const blocks = await lstat(path).then(
      (status) => status.blocks,
      () => 0,
    );
    const isTier = /\.(safetensors|bin)$/.test(path) && !path.includes(".hidden-states.");
    const kind = path.includes(".hidden-states.") ? "states" : isTier ? "tier" : "other";
    sizes[kind] += 512 * blocks;
  }
  return sizes;
}

/** Looks at a folder until it is told to stop, and gives the most of each kind, and of all. */
function watchFolder(folder: string): () => Promise<Sizes & { readonly all: number }> {
  const most = { tier: 0, states: 0, other: 0, all: 0 };
  let isOver = false;
  const look = async () => {
    while (!isOver) {
      const sizes = await sizesOf(folder);
      const all = sizes.tier + sizes.states + sizes.other;
      for (const [kind, bytes] of Object.entries({ ...sizes, all }))
        most[kind as keyof typeof most] = Math.max(most[kind as keyof typeof most], bytes);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return most;
  };
  const looking = look();
  return () => {
    isOver = true;
    return looking;
  };
}

/** What is predicted for the tier on the disk, and its size. */
async function predict(
  folder: string,
): Promise<{ readonly onDisk: number; readonly bytes: number }> {
  const repository = await openFolder(folder);
  const own = await readBase(repository, { allowHeaderOnly: false });
  try {
    const plan = planTier(tiers.find(({ name }) => name === options.tier)!, own);
    const work = { shape: shapeOf(own), plans: [plan], makes: true, staged: true };
    const none = { measuring: null, tuning: null, evaluation: null, workers: 2 };
    return { onDisk: total(tiersOnDisk({ ...work, ...none })), bytes: plan.bytes };
  } finally {
    await own.checkpoint.close();
  }
}

const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(3)} GB`;

async function bench({ folder, bytes, run }: Scene): Promise<void> {
  const { onDisk, bytes: whole } = await predict(`${folder}/hub/${base}`);
  console.log(`base: ${gigabytes(bytes)}; ${options.tier}: ${gigabytes(whole)}`);
  const work = `${folder}/work`;
  const stop = watchFolder(work);
  const { seconds } = await run({
    stage: "publish",
    inputs: {
      ...{ "base-model": base, namespace: "bench", tiers: options.tier, policy: "oq" },
      ...{ "calibration-samples": options.samples, workers: "2", "work-dir": work },
      ...{ "evaluation-samples": "4", "evaluation-length": "256" },
      // Random weights: whether the tier is any good does not matter.
      ...{ "max-kl": "1e6", "min-same-top": "0", "min-router-agreement": "0" },
    },
    target: "",
    computed: Number(options.computed),
    onlyMemory: !options.all,
  });
  const most = await stop();
  console.log(`published in ${seconds.toFixed(0)} s`);
  console.log(`most of the tier in the work folder: ${gigabytes(most.tier)}`);
  console.log(`predicted (src/estimate/disk.ts): ${gigabytes(onDisk)}`);
  console.log(
    `most of all files: ${gigabytes(most.all)}; hidden states and waiting bytes of the base ` +
      `${gigabytes(most.states)}, other ${gigabytes(most.other)}`,
  );
}

await withScene(
  {
    ...nemotron30b,
    hybrid_override_pattern: options.pattern,
    num_hidden_layers: options.pattern.length,
    n_routed_experts: Number(options.experts),
    vocab_size: Number(options.vocabulary),
  },
  bench,
  options.rate === undefined ? Number.POSITIVE_INFINITY : parseSize(options.rate)!,
);
