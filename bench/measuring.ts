import { parseArgs } from "node:util";
import { secondsOf } from "./scale/job-kind.ts";
import { base, type Scene, withScene } from "./scale/run.ts";

/**
 * What measuring the sensitivity of a small dense model costs: a llama of 135 M parameters (the
 * shapes of SmolLM, tied embeddings, random bf16 weights), all defaults, two workers. Prints CPU
 * time, that of the kernel by routine, and peak memory.
 *   node bench/measuring.ts [--samples 128] [--computed 0]
 * `--computed` as in scale.ts.
 */
const { values: options } = parseArgs({
  options: {
    samples: { type: "string", default: "128" },
    computed: { type: "string", default: "0" },
  },
});

async function bench({ folder, bytes, run }: Scene): Promise<void> {
  const result = await run({
    stage: "sensitivity",
    inputs: {
      ...{ "base-model": base, workers: "2", "work-dir": `${folder}/work` },
      "calibration-samples": options.samples,
    },
    target: `${folder}/sensitivity.json`,
    computed: Number(options.computed),
  });
  const { cpu, mainCpu, peak, reads, kinds } = result;
  const all = kinds.reduce((sum, kind) => sum + secondsOf(kind), 0);
  const computed = kinds.reduce((sum, kind) => sum + kind.cpu / 1e3, 0);
  console.log(`base: ${(bytes / 1e6).toFixed(0)} MB, read ${reads.toFixed(3)} times`);
  console.log(
    `${(cpu + all - computed).toFixed(0)} CPU s (kernel ${all.toFixed(0)}, main thread ` +
      `${mainCpu.toFixed(0)}), peak ${(peak / 1e9).toFixed(2)} GB`,
  );
  const byRoutine = new Map<string, number>();
  for (const kind of kinds)
    byRoutine.set(kind.routine, (byRoutine.get(kind.routine) ?? 0) + secondsOf(kind));
  for (const [name, seconds] of [...byRoutine].sort(([, a], [, b]) => b - a).slice(0, 10))
    console.log(`  ${name}: ${seconds.toFixed(1)}`);
}

await withScene(
  {
    model_type: "llama",
    architectures: ["LlamaForCausalLM"],
    ...{ hidden_size: 576, intermediate_size: 1536, num_hidden_layers: 30 },
    ...{ num_attention_heads: 9, num_key_value_heads: 3, vocab_size: 49_152 },
    ...{ tie_word_embeddings: true, rms_norm_eps: 1e-5, rope_theta: 10_000 },
    ...{ max_position_embeddings: 2048, hidden_act: "silu", torch_dtype: "bfloat16" },
    ...{ attention_bias: false, mlp_bias: false, bos_token_id: 1, eos_token_id: 2 },
  },
  bench,
);
