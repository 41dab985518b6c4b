import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ModelConfig } from "../src/checkpoint/model-config.ts";
import { openKernel } from "../src/kernel/pool.ts";
import { expandTable } from "../src/models/expand.ts";
import { architectures, baseTypesOf } from "../src/models/registry.ts";
import { openBase, run, someIds } from "./support/forward-run.ts";
import { removeFolder, scratchFolder } from "./support/models.ts";
import { makeRandomModel, sizesOnly } from "./support/random-model.ts";
import { writtenConfig } from "./support/written-config.ts";

const kernel = await openKernel({ workers: 1 });
afterAll(() => kernel.close());

/** Fields of mlx-lm 0.32.2's ModelArgs that have no default: it loads no config without them. */
const block = [
  "model_type",
  "hidden_size",
  "num_hidden_layers",
  "intermediate_size",
  "num_attention_heads",
  "rms_norm_eps",
  "vocab_size",
];
const delta = [
  ...["linear_num_value_heads", "linear_num_key_heads", "linear_key_head_dim"],
  ...["linear_value_head_dim", "linear_conv_kernel_dim", "full_attention_interval"],
];
const qwen3 = [...block, "num_key_value_heads", "max_position_embeddings", "head_dim"];
const required: Readonly<Record<string, readonly string[]>> = {
  llama: block,
  mistral: block,
  qwen2: [...block, "num_key_value_heads"],
  qwen3: [...qwen3, "tie_word_embeddings", "rope_theta"],
  qwen3_moe: [
    ...[...qwen3, "tie_word_embeddings", "rope_theta", "num_experts", "num_experts_per_tok"],
    ...["decoder_sparse_step", "mlp_only_layers", "moe_intermediate_size", "norm_topk_prob"],
  ],
  gpt_oss: [
    ...[...block, "num_key_value_heads", "head_dim", "num_local_experts", "num_experts_per_tok"],
    ...["sliding_window", "rope_theta", "rope_scaling", "layer_types"],
  ],
  qwen3_next: [
    ...[...qwen3, "rope_theta", "partial_rotary_factor", "num_experts", "num_experts_per_tok"],
    ...["decoder_sparse_step", "mlp_only_layers", "moe_intermediate_size", "norm_topk_prob"],
    ...["shared_expert_intermediate_size", ...delta],
  ],
  // mlx-lm has other defaults for these than transformers.
  qwen3_5: [...qwen3, ...delta, "rope_parameters"],
  qwen3_5_moe: [
    ...[...qwen3.filter((key) => key !== "intermediate_size"), ...delta, "rope_parameters"],
    ...["num_experts", "num_experts_per_tok", "moe_intermediate_size", "norm_topk_prob"],
    "shared_expert_intermediate_size",
  ],
  nemotron_h: [
    ...["model_type", "vocab_size", "hidden_size", "intermediate_size", "num_attention_heads"],
    ...["max_position_embeddings", "num_key_value_heads", "attention_bias", "mamba_num_heads"],
    ...["mamba_head_dim", "mamba_proj_bias", "ssm_state_size", "conv_kernel", "n_groups"],
    ...["mlp_bias", "layer_norm_epsilon", "use_bias", "use_conv_bias"],
    // These are null by default. Then its MoE block fails or computes something else.
    ...["n_group", "topk_group", "norm_topk_prob", "routed_scaling_factor", "time_step_limit"],
  ],
};

/** Keys that may be absent. transformers and mlx-lm take them as null. */
const optional = new Set(["rope_scaling", "layer_types", "quantization_config"]);

/** Runs a model with a watched config. Returns the keys that role table and forward pass read. */
async function keysRead(folder: string): Promise<{ keys: ReadonlySet<string>; base: ModelConfig }> {
  const model = await openBase(folder, kernel);
  const keys = new Set<string>();
  const config = new Proxy(model.config, {
    get(target, key) {
      keys.add(String(key));
      return target[String(key)];
    },
  });
  model.architecture.forward.check(config);
  expandTable(model.architecture, config);
  await run({ ...model, config }, someIds(16, 100), 8);
  await model.close();
  return { keys, base: model.config };
}

/** Those whose bases have the same type: the others write what one of these writes. */
const plain = architectures.filter((one) => baseTypesOf(one).includes(one.modelType));

describe.each(plain)("a $modelType whose config has sizes only", (architecture) => {
  let folder: string;
  beforeAll(async () => {
    folder = await scratchFolder();
    await makeRandomModel(folder, await sizesOnly(architecture.modelType));
  });
  afterAll(() => removeFolder(folder));

  test("reads only keys of the written config, and has their written values", async () => {
    const { keys, base } = await keysRead(folder);
    const written = writtenConfig(architecture, base);
    const needed = [...keys].filter((key) => !optional.has(key) || base[key] !== undefined);
    expect(needed.filter((key) => !Object.hasOwn(written, key))).toEqual([]);
    expect(written).toMatchObject(Object.fromEntries(needed.map((key) => [key, base[key]])));
    expect(keys.size).toBeGreaterThan(9);
  });

  test("is written with every key that mlx-lm requires", async () => {
    const { config } = architecture.fold(await sizesOnly(architecture.modelType));
    const written = writtenConfig(architecture, config);
    expect(required[architecture.modelType]?.filter((key) => !Object.hasOwn(written, key))).toEqual(
      [],
    );
  });
});
