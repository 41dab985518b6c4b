import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseJson } from "../../src/checkpoint/json.ts";
import type { ModelConfig } from "../../src/checkpoint/model-config.ts";
import type { Role } from "../../src/models/architecture.ts";
import { expandTable } from "../../src/models/expand.ts";
import { findArchitecture } from "../../src/models/registry.ts";

/** A Nemotron-H with every kind of block and sizes that are no multiple of a lane or tile. */
export const hybrid: ModelConfig = {
  model_type: "nemotron_h",
  hybrid_override_pattern: "ME-*E",
  num_hidden_layers: 5,
  vocab_size: 101,
  hidden_size: 72,
  intermediate_size: 84,
  max_position_embeddings: 512,
  num_attention_heads: 6,
  num_key_value_heads: 2,
  head_dim: 12,
  attention_bias: false,
  mamba_num_heads: 6,
  mamba_head_dim: 10,
  mamba_proj_bias: false,
  n_groups: 3,
  ssm_state_size: 18,
  conv_kernel: 3,
  use_conv_bias: true,
  use_bias: false,
  mlp_bias: false,
  mlp_hidden_act: "relu2",
  layer_norm_epsilon: 1e-5,
  moe_intermediate_size: 36,
  moe_shared_expert_intermediate_size: 52,
  moe_latent_size: null,
  n_routed_experts: 12,
  n_shared_experts: 1,
  n_group: 1,
  topk_group: 1,
  num_experts_per_tok: 3,
  norm_topk_prob: true,
  routed_scaling_factor: 2.5,
  time_step_limit: [0.001, 1e6],
  time_step_min: 0.001,
  torch_dtype: "bfloat16",
};
/**
 * The config of the random-tiny model of an architecture, reduced to what has no default or is a
 * size: all else is left to transformers' defaults. Of a vision-language model: that of its
 * language model alone.
 */
export async function sizesOnly(modelType: string): Promise<ModelConfig> {
  const path = new URL(`../models/random-tiny/${modelType}/config.json`, import.meta.url);
  const whole = parseJson(await readFile(path, "utf8"), modelType) as ModelConfig;
  const config = (whole.text_config ?? whole) as ModelConfig;
  const kept = ["model_type", "hybrid_override_pattern"];
  const isSize = (value: unknown) => Number.isSafeInteger(value) && (value as number) > 2;
  const entries = Object.entries(config).filter(
    ([key, value]) => kept.includes(key) || /(^|_)num_|^n_groups$/.test(key) || isSize(value),
  );
  return Object.fromEntries(entries.filter(([key]) => key !== "rope_theta"));
}

/**
 * Makes a base of seeded random weights for any config of a known architecture, with the authors'
 * tensor names. BF16; the router's bias and A_log are F32. The scales make every part matter.
 */
export async function makeRandomModel(
  folder: string,
  config: ModelConfig,
  seed = 1,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const random = gaussian(seed);
  const header: Record<string, unknown> = {};
  const parts: Buffer[] = [];
  let end = 0;
  const architecture = findArchitecture(config);
  const { config: folded } = architecture.fold(config);
  for (const { role, sources } of expandTable(architecture, folded)) {
    for (const { tensor: name, base: shape } of sources) {
      if (name in header) continue; // several roles read parts of it
      const wide = role.exemptFromCast === true;
      const count = shape.reduce((product, size) => product * size, 1);
      const data = encode(
        Array.from({ length: count }, () => drawn(role, shape, random())),
        wide,
      );
      header[name] = {
        dtype: wide ? "F32" : "BF16",
        shape,
        data_offsets: [end, end + data.length],
      };
      end += data.length;
      parts.push(data);
    }
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  await writeFile(join(folder, "model.safetensors"), Buffer.concat([length, text, ...parts]));
  await writeFile(join(folder, "config.json"), JSON.stringify(config));
}

function drawn({ role, kind, from }: Role, shape: readonly number[], x: number): number {
  // mlx-lm adds 1 to these norms in bfloat16: only such values lose nothing.
  if (kind === "norm" && from !== undefined) return Math.round(25 * x) / 128;
  if (kind === "norm" || role.endsWith(".D")) return 1 + 0.2 * x;
  if (role.endsWith(".A_log")) return 0.5 + 0.5 * x;
  if (kind === "bias" || kind === "correction" || kind === "state") return 0.1 * x;
  if (kind === "embeddings") return 0.3 * x;
  return (1.5 * x) / Math.sqrt(shape.at(-1)!);
}

/** Little-endian BF16 (cut, not rounded) or F32. */
function encode(values: readonly number[], wide: boolean): Buffer {
  const floats = Buffer.from(new Float32Array(values).buffer);
  if (wide) return floats;
  const halves = Buffer.alloc(values.length * 2);
  for (let i = 0; i < values.length; i++) floats.copy(halves, 2 * i, 4 * i + 2, 4 * i + 4);
  return halves;
}

/** Normally distributed numbers, about: the sum of twelve uniform ones. */
function gaussian(seed: number): () => number {
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return () => {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += uniform();
    return sum;
  };
}
