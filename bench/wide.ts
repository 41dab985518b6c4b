import { parseArgs } from "node:util";
import type { ModelConfig } from "../src/checkpoint/model-config.ts";
import { base, withScene } from "./scale/run.ts";
import type { StageOrder } from "./scale/stage.ts";

/**
 * The peak memory of a dense model with a wide MLP, from one block of its true width and a small
 * vocabulary. Each stage runs in a process of its own, with two workers. What the run itself
 * expects is printed before it starts.
 *   node bench/wide.ts [--hidden 3584] [--mlp 18944] [--samples 16] [--vocabulary 32768]
 *     [--tiers oQ4e] [--stages quantize] [--only-memory]
 * With `--only-memory`, only two jobs of each size are computed, of those that take long. So the
 * peak of all rows is found in minutes; the tiers have no meaning then.
 */
const { values: options } = parseArgs({
  options: {
    hidden: { type: "string", default: "3584" },
    mlp: { type: "string", default: "18944" },
    samples: { type: "string", default: "16" },
    vocabulary: { type: "string", default: "32768" },
    tiers: { type: "string", default: "oQ4e" },
    stages: { type: "string", default: "quantize" },
    "only-memory": { type: "boolean", default: false },
  },
});
const hidden = Number(options.hidden);
const config: ModelConfig = {
  architectures: ["Qwen2ForCausalLM"],
  model_type: "qwen2",
  hidden_act: "silu",
  hidden_size: hidden,
  intermediate_size: Number(options.mlp),
  max_position_embeddings: 32768,
  num_attention_heads: Math.max(4, hidden / 128),
  num_hidden_layers: 1,
  num_key_value_heads: 4,
  rms_norm_eps: 1e-6,
  rope_theta: 1e6,
  tie_word_embeddings: false,
  torch_dtype: "bfloat16",
  vocab_size: Number(options.vocabulary),
};

await withScene(config, async ({ folder, bytes, run }) => {
  console.log(`base: ${(bytes / 1e9).toFixed(2)} GB`);
  for (const stage of options.stages.split(",") as StageOrder["stage"][]) {
    const { peak, seconds } = await run({
      stage,
      inputs: {
        ...{ "base-model": base, namespace: "bench", tiers: options.tiers, workers: "2" },
        ...{ "calibration-samples": options.samples, "evaluation-samples": "4" },
        ...{ "evaluation-length": "256", "work-dir": `${folder}/work` },
        ...(stage === "quantize" && { policy: "oq" }),
      },
      target: stage === "sensitivity" ? `${folder}/sensitivity.json` : `${folder}/hub/bench`,
      computed: options["only-memory"] ? 2 : 0,
      onlyMemory: options["only-memory"],
    });
    console.log(`${stage}: peak ${(peak / 1e9).toFixed(2)} GB, ${seconds.toFixed(0)} s`);
  }
});
