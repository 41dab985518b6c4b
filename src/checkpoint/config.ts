import { isDeepStrictEqual } from "node:util";
import { OqeError } from "../ground/errors.ts";
import { type FloatDtype, isFloat } from "../kernel/dtype.ts";
import { asObject, parseJson, show } from "./json.ts";
import type { ModelConfig } from "./model-config.ts";
import { type Repository, readText } from "./repository.ts";

export const CONFIG_FILE = "config.json";

export interface ConfigFile {
  /** Both generations of keys folded into the older one, as models were published before transformers 5. */
  readonly config: ModelConfig;
  /** Keys whose numbers the file writes as floats; writeJson keeps them so. */
  readonly floatKeys: ReadonlySet<string>;
}

/**
 * Reads and folds `config.json`. Throws MISSING_FILE where there is none, BAD_CHECKPOINT where it is no object, names no model_type, or
 * contradicts itself in the two generations of one key.
 */
export async function readConfig(repository: Repository): Promise<ConfigFile> {
  const where = `${repository.name}/${CONFIG_FILE}`;
  if (!repository.files.has(CONFIG_FILE)) {
    throw new OqeError(
      "MISSING_FILE",
      `${repository.name} has no ${CONFIG_FILE}`,
      "Is this a model folder in Hugging Face layout?",
    );
  }
  const floatKeys = new Set<string>();
  const document = asObject(
    parseJson(await readText(repository, CONFIG_FILE), where, { floatKeys }),
  );
  if (!document) throw bad(`${where} is not a JSON object`);
  return { config: foldConfig(document, where), floatKeys };
}

/** A copy of `config` in which keys that only transformers 5 writes have become those that mlx-lm reads. `where` is for messages. */
export function foldConfig(config: ModelConfig, where: string): ModelConfig {
  const type = config.model_type;
  if (typeof type !== "string" || !/^[\w.-]{1,64}$/.test(type)) {
    throw bad(`${where}: model_type must be a word, got ${show(type)}`);
  }
  const folded = { ...config };
  rename(folded, "dtype", "torch_dtype", where);
  foldRope(folded, where);
  if (type === "qwen3_moe") rename(folded, "num_local_experts", "num_experts", where);
  if (type === "nemotron_h") {
    for (const [from, to] of mambaNames) rename(folded, from, to, where);
    foldBlocks(folded, "layers_block_type", where);
    foldBlocks(folded, "layer_types", where);
  }
  return folded;
}

/** Names that transformers' NemotronHConfig also takes, and those that it gives them. */
const mambaNames = [
  ["mamba_n_groups", "n_groups"],
  ["mamba_d_conv", "conv_kernel"],
  ["mamba_expand", "expand"],
  ["mamba_dt_min", "time_step_min"],
  ["mamba_dt_max", "time_step_max"],
  ["mamba_dt_limit", "time_step_limit"],
  ["mamba_dt_init_floor", "time_step_floor"],
  ["mamba_conv_bias", "use_conv_bias"],
  ["mamba_chunk_size", "chunk_size"],
] as const;

function rename(config: ModelConfig, from: string, to: string, where: string): void {
  if (!(from in config)) return;
  place(config, to, config[from], from, where);
  delete config[from];
}

/** Sets an older key from a newer one. Two readers would see two models if they disagreed. */
function place(
  config: ModelConfig,
  key: string,
  value: unknown,
  source: string,
  where: string,
): void {
  if (value === undefined || value === null) return;
  const present = config[key];
  if (present !== undefined && present !== null && !isDeepStrictEqual(present, value)) {
    throw bad(`${where}: ${key} is ${show(present)}, but ${source} says ${show(value)}`);
  }
  config[key] = value;
}

/** `rope_parameters {rope_theta, rope_type, …}` -> `rope_theta`, and `rope_scaling` unless the type is the default one. */
function foldRope(config: ModelConfig, where: string): void {
  const parameters = config.rope_parameters;
  if (parameters === undefined || parameters === null) {
    delete config.rope_parameters;
    return;
  }
  const rope = asObject(parameters);
  if (!rope) throw bad(`${where}: rope_parameters is not an object`);
  // One set per kind of layer (Gemma 3): the older style has no place for it.
  if (Object.values(rope).some((value) => asObject(value))) return;
  const { rope_theta: theta, partial_rotary_factor: partial, ...scaling } = rope;
  place(config, "rope_theta", theta, "rope_parameters", where);
  place(config, "partial_rotary_factor", partial, "rope_parameters", where);
  if ((scaling.rope_type ?? "default") !== "default")
    place(config, "rope_scaling", scaling, "rope_parameters", where);
  delete config.rope_parameters;
}

/** All spellings of a block's kind that transformers has used, and the letter of `hybrid_override_pattern`. */
const blockLetters = new Map<unknown, string>([
  ["mamba", "M"],
  ["linear_attention", "M"],
  ["attention", "*"],
  ["full_attention", "*"],
  ["moe", "E"],
  ["mlp", "-"],
]);

/** A list of block kinds under `key` -> the letters of `hybrid_override_pattern`. */
function foldBlocks(config: ModelConfig, key: string, where: string): void {
  const kinds = config[key];
  delete config[key];
  if (kinds !== undefined && kinds !== null) {
    if (!Array.isArray(kinds)) throw bad(`${where}: ${key} is not a list`);
    const letters = kinds.map((kind) => {
      const letter = blockLetters.get(kind);
      if (letter !== undefined) return letter;
      const known = [...blockLetters.keys()].join(", ");
      throw bad(`${where}: ${key} has ${show(kind)}; known are ${known}`);
    });
    place(config, "hybrid_override_pattern", letters.join(""), key, where);
  }
  const pattern = config.hybrid_override_pattern;
  if (typeof pattern === "string") config.num_hidden_layers ??= pattern.length;
}

/**
 * Dtype of scales, biases and kept tensors in the MLX repo: the base's own 16-bit float; BF16 for a float32 base, since mlx-lm's users
 * expect 16 bits and BF16 keeps the range. Where the config is silent, the weights say it.
 */
export function storageDtype(
  config: ModelConfig,
  tensors: Iterable<{ readonly dtype: string }>,
): FloatDtype {
  const declared = config.torch_dtype;
  if (typeof declared === "string")
    return /^(torch\.)?(float16|half)$/.test(declared) ? "F16" : "BF16";
  const floats = [...tensors].filter(({ dtype }) => isFloat(dtype));
  return floats.length > 0 && floats.every(({ dtype }) => dtype === "F16") ? "F16" : "BF16";
}

function bad(message: string): OqeError {
  return new OqeError(
    "BAD_CHECKPOINT",
    message,
    "The config is damaged or not a model's; ask the model's authors.",
  );
}
