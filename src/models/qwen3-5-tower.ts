import { asObject, show } from "../checkpoint/json.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import { has, integer } from "./config-fields.ts";
import type { PartContext, PartTensor } from "./part-tensors.ts";
import { checkPlaceholders } from "./placeholder-tokens.ts";

/** Values of absent keys (transformers' Qwen3_5VisionConfig, and its twin of the MoE). */
const defaults: Readonly<Record<string, number>> = {
  depth: 27,
  hidden_size: 1152,
  intermediate_size: 4304,
  num_heads: 16,
  in_channels: 3,
  patch_size: 16,
  spatial_merge_size: 2,
  temporal_patch_size: 2,
  out_hidden_size: 3584,
  num_position_embeddings: 2304,
};

/** Values of absent keys of the config around the tower (transformers' Qwen3_5Config). */
const tokens: Readonly<Record<string, number>> = {
  image_token_id: 248_056,
  video_token_id: 248_057,
  vision_start_token_id: 248_053,
  vision_end_token_id: 248_054,
};

/**
 * The config around a language model with all defaults of its tower: mlx-vlm has others. Without a
 * tower as it is.
 */
export function fillTower(outer: ModelConfig): ModelConfig {
  const vision = asObject(outer.vision_config);
  if (vision === undefined || Object.keys(vision).length === 0) return outer;
  return { ...filled(outer, tokens), vision_config: filled(vision, defaults) };
}

function filled(config: ModelConfig, values: Readonly<Record<string, number>>): ModelConfig {
  const absent = Object.entries(values).filter(([key]) => !has(config, key));
  return { ...config, ...Object.fromEntries(absent) };
}

/** A number of `vision_config`; null for what is no number, such as a size for each axis. */
function sizeOf(file: ModelConfig, key: string): number | null {
  const value = asObject(file.vision_config)?.[key] ?? defaults[key];
  return typeof value === "number" ? value : null;
}

/** The tower's blocks. `file` is config.json as it is. */
export const towerDepth = (file: ModelConfig) => sizeOf(file, "depth");

/**
 * Throws BAD_CHECKPOINT for sizes that contradict each other, UNSUPPORTED_MODEL for a tower that
 * mlx-vlm does not load.
 */
function checkTower({ file, folded }: Pick<PartContext, "file" | "folded">): void {
  const size = (key: string) => sizeOf(file, key);
  const refuse = (code: "BAD_CHECKPOINT" | "UNSUPPORTED_MODEL", problem: string) => {
    const hint = "Compare it with the base's source. Or leave it out: set carry without vision.";
    return new OqeError(code, `config.json: vision_config's ${problem}`, hint);
  };
  const [hidden, heads, out] = [size("hidden_size"), size("num_heads"), size("out_hidden_size")];
  if (hidden !== null && heads !== null && hidden % heads !== 0) {
    const problem = `"hidden_size" is ${hidden}, not a multiple of "num_heads", ${heads}`;
    throw refuse("BAD_CHECKPOINT", problem);
  }
  const width = integer(folded, "hidden_size");
  if (out !== null && out !== width) {
    const problem = `"out_hidden_size" is ${out}, but the language model's "hidden_size" ${width}`;
    throw refuse("BAD_CHECKPOINT", problem);
  }
  const { deepstack_visual_indexes: deep } = asObject(file.vision_config) ?? {};
  if (Array.isArray(deep) && deep.length > 0)
    throw refuse("UNSUPPORTED_MODEL", `"deepstack_visual_indexes" is ${show(deep)}, not empty`);
}

/**
 * The tensors of Qwen3.5's vision tower (transformers' Qwen3_5VisionModel). Throws behind the last
 * for a tower that nobody can run, and for tokens of images that the vocabulary lacks.
 */
export function* towerTensors(context: PartContext): Iterable<PartTensor> {
  const { file } = context;
  const size = (key: string) => sizeOf(file, key);
  const [hidden, inner] = [size("hidden_size"), size("intermediate_size")];
  const [patch, merge] = [size("patch_size"), size("spatial_merge_size")];
  const merged = hidden === null || merge === null ? null : hidden * merge ** 2;
  const qkv = hidden === null ? null : 3 * hidden;
  const time = size("temporal_patch_size");

  yield { name: "pos_embed.weight", shape: [size("num_position_embeddings"), hidden] };
  yield* both("patch_embed.proj", [hidden, size("in_channels"), time, patch, patch]);
  yield* both("merger.norm", [hidden]);
  yield* both("merger.linear_fc1", [merged, merged]);
  yield* both("merger.linear_fc2", [size("out_hidden_size"), merged]);
  for (let block = 0; block < (towerDepth(file) ?? 0); block++) {
    const at = `blocks.${block}`;
    yield* both(`${at}.norm1`, [hidden]);
    yield* both(`${at}.attn.qkv`, [qkv, hidden]);
    yield* both(`${at}.attn.proj`, [hidden, hidden]);
    yield* both(`${at}.norm2`, [hidden]);
    yield* both(`${at}.mlp.linear_fc1`, [inner, hidden]);
    yield* both(`${at}.mlp.linear_fc2`, [hidden, inner]);
  }
  checkTower(context);
  checkPlaceholders(context, "vision", tokens);
}

/** The weight of a module, and its bias of the weight's first size. */
function both(module: string, shape: PartTensor["shape"]): PartTensor[] {
  return [
    { name: `${module}.weight`, shape },
    { name: `${module}.bias`, shape: shape.slice(0, 1) },
  ];
}
