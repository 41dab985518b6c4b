import { parseArgs } from "node:util";
import { nemotron30b } from "../test/support/nemotron-30b.ts";
import { base, type Scene, withScene } from "./scale/run.ts";

/**
 * Whether memory grows with the number of blocks. Publishes a base with the 52 blocks and the names
 * of NVIDIA-Nemotron-3-Nano-30B-A3B, at about an eighth of its width. Prints the peak of the
 * resident memory in both halves of each stage.
 *   node bench/depth.ts [--experts 128] [--samples 4] [--tiers oQ8e,oQ6e,oQ5e,oQ4e] [--computed 0]
 * `--computed` as in scale.ts.
 */
const { values: options } = parseArgs({
  options: {
    experts: { type: "string", default: "128" },
    samples: { type: "string", default: "4" },
    tiers: { type: "string", default: "oQ8e,oQ6e,oQ5e,oQ4e" },
    computed: { type: "string", default: "0" },
  },
});

const peakOf = (samples: readonly number[]) => samples.reduce((a, b) => Math.max(a, b), 0);
const megabytes = (bytes: number) => (bytes / 1e6).toFixed(0);

async function bench({ folder, bytes, run }: Scene): Promise<void> {
  const result = await run({
    stage: "publish",
    inputs: {
      ...{ "base-model": base, namespace: "bench", tiers: options.tiers, workers: "2" },
      "calibration-samples": options.samples,
      "evaluation-samples": options.samples,
      // Random weights: whether a tier is any good does not matter.
      ...{ "max-kl": "1e6", "min-same-top": "0", "min-router-agreement": "0" },
      "work-dir": `${folder}/work`,
    },
    target: "",
    computed: Number(options.computed),
  });
  const rows = [{ name: "whole run", from: 0, to: result.samples.length }, ...result.steps]
    .filter(({ from, to }) => to - from >= 20)
    .map(({ name, from, to }) => {
      const middle = Math.floor((from + to) / 2);
      const [first, second] = [
        peakOf(result.samples.slice(from, middle)),
        peakOf(result.samples.slice(middle, to)),
      ];
      const ratio = (second / first).toFixed(2);
      return `| ${name} | ${megabytes(first)} | ${megabytes(second)} | ${ratio} |`;
    });
  console.log(`base: ${megabytes(bytes)} MB, read ${result.reads.toFixed(3)} times`);
  console.log(`${result.cpu.toFixed(0)} CPU s, peak ${megabytes(result.peak)} MB\n`);
  console.log("| stage | peak of the first half, MB | of the second | ratio |");
  console.log(["|---|---:|---:|---:|", ...rows].join("\n"));
}

await withScene(
  {
    ...nemotron30b,
    hidden_size: 320,
    intermediate_size: 256,
    moe_intermediate_size: 256,
    moe_shared_expert_intermediate_size: 512,
    mamba_num_heads: 8,
    n_groups: 1,
    num_attention_heads: 4,
    num_key_value_heads: 1,
    vocab_size: 16_384,
    n_routed_experts: Number(options.experts),
  },
  bench,
);
