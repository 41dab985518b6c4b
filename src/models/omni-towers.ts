import { asObject } from "../checkpoint/json.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { Carried, CarriedPart } from "./carried.ts";
import { contradiction } from "./fold.ts";
import { omniConfig } from "./omni-config.ts";
import type { PartContext, PartTable, PartTensor } from "./part-tensors.ts";
import { checkPlaceholders } from "./placeholder-tokens.ts";
import { channelsLast } from "./transforms.ts";

/*
 * The towers of Nemotron Omni as mlx-vlm 0.7.10 has them: RADIO for images and videos, Parakeet for
 * sound, and what joins them to the language model. Shapes are in the base's layout.
 */

/** A size that config.json gives; null: it gives no number. */
type Size = number | null;

/** Values of absent keys (mlx-vlm's VisionConfig, AudioConfig and ModelConfig). */
const visionDefaults: ModelConfig = {
  hidden_size: 1280,
  num_hidden_layers: 32,
  num_attention_heads: 16,
  intermediate_size: 5120,
  patch_size: 16,
  max_resolution: 2048,
  video_temporal_patch_size: 2,
};
const soundDefaults: ModelConfig = {
  hidden_size: 1024,
  num_attention_heads: 8,
  num_hidden_layers: 24,
  intermediate_size: 4096,
  conv_kernel_size: 9,
  subsampling_factor: 8,
  subsampling_conv_channels: 256,
  subsampling_conv_kernel_size: 3,
  subsampling_conv_stride: 2,
  num_mel_bins: 128,
  projection_hidden_size: 4096,
};
const outerDefaults: ModelConfig = {
  vit_hidden_size: 1280,
  projector_hidden_size: 4096,
  downsample_ratio: 0.5,
};

const reader = (config: ModelConfig | undefined, defaults: ModelConfig) => {
  return (key: string): Size => {
    const value = config?.[key] ?? defaults[key];
    return typeof value === "number" ? value : null;
  };
};
const visionOf = (file: ModelConfig) => asObject(omniConfig(file).vision_config);
const soundOf = (file: ModelConfig) => asObject(omniConfig(file).sound_config);
const blocksOf = (file: ModelConfig) => reader(visionOf(file), visionDefaults)("num_hidden_layers");
const layersOf = (file: ModelConfig) => reader(soundOf(file), soundDefaults)("num_hidden_layers");

/** A size made of others; null if one of them is. */
function made(make: (...sizes: number[]) => number, ...sizes: readonly Size[]): Size {
  return sizes.some((size) => size === null) ? null : Math.floor(make(...(sizes as number[])));
}

/**
 * Tensors of the vision tower and of its projector (mlx-vlm's VisionModel, VisionProjection).
 * Throws behind the last for sizes that contradict each other.
 */
function* visionTensors({ file, folded }: PartContext): Iterable<PartTensor> {
  const outer = omniConfig(file);
  const size = reader(visionOf(file), visionDefaults);
  const [hidden, inner] = [size("hidden_size"), size("intermediate_size")];
  const args = asObject(visionOf(file)?.args) ?? {};
  const widest = Number(args.cpe_max_size) || size("max_resolution");
  const pixels = made((patch) => 3 * patch ** 2, size("patch_size"));
  const frames = size("video_temporal_patch_size");
  const positions = made(
    (most, patch) => Math.floor(most / patch) ** 2,
    widest,
    size("patch_size"),
  );
  const patches = "model.patch_generator";

  yield { name: "input_conditioner.norm_mean", shape: [3, 1, 1] };
  yield { name: "input_conditioner.norm_std", shape: [3, 1, 1] };
  yield { name: `${patches}.embedder.weight`, shape: [hidden, pixels] };
  const ofVideo = made((count, one) => count * one, frames, pixels);
  yield { name: `${patches}.video_embedder.weight`, shape: [hidden, ofVideo] };
  yield { name: `${patches}.pos_embed`, shape: [1, positions, hidden] };
  yield { name: `${patches}.cls_token.token`, shape: [prefixTokens(args), hidden] };
  const tripled = made((one) => 3 * one, hidden);
  for (let block = 0; block < (size("num_hidden_layers") ?? 0); block++) {
    const at = `model.blocks.${block}`;
    yield* both(`${at}.norm1`, [hidden]);
    yield* both(`${at}.attn.qkv`, [tripled, hidden]);
    yield* both(`${at}.attn.proj`, [hidden, hidden]);
    yield* both(`${at}.norm2`, [hidden]);
    yield* both(`${at}.mlp.fc1`, [inner, hidden]);
    yield* both(`${at}.mlp.fc2`, [hidden, inner]);
  }
  const outerSize = reader(outer, outerDefaults);
  const seen = outerSize("vit_hidden_size");
  const joined = made(
    (one, ratio) => one * Math.trunc(1 / ratio) ** 2,
    seen,
    outerSize("downsample_ratio"),
  );
  const middle = outerSize("projector_hidden_size");
  yield { under: "mlp1.0.", name: "weight", shape: [joined] };
  yield { under: "mlp1.1.", name: "weight", shape: [middle, joined] };
  yield { under: "mlp1.3.", name: "weight", shape: [languageSize(folded), middle] };
  // A base whose language model predicts several tokens has this norm, if config.json does not say.
  const hasNorm = outer.vision_final_layernorm ?? Number(folded.num_nextn_predict_layers) > 0;
  if (hasNorm) for (const one of both("", [seen])) yield { ...one, under: finalNorm };
  requireHeads("vision_config", hidden, size("num_attention_heads"));
  if (hidden !== null && seen !== null && hidden !== seen)
    throw contradiction(
      `"hidden_size" in "vision_config" is ${hidden}`,
      `"vit_hidden_size" is ${seen}`,
    );
}

/** Throws BAD_CHECKPOINT for a width that no whole number of heads makes. */
function requireHeads(key: string, hidden: Size, heads: Size): void {
  if (hidden !== null && heads !== null && hidden % heads !== 0)
    throw contradiction(
      `"hidden_size" in "${key}" is ${hidden}`,
      `"num_attention_heads" is ${heads}, which does not divide it`,
    );
}

const finalNorm = "vision_projector.vision_final_layernorm";
const languageSize = (folded: ModelConfig) => reader(folded, {})("hidden_size");

/** Class tokens, one a teacher, and the registers behind them. */
function prefixTokens(args: ModelConfig): Size {
  const { teachers = [], cls_token_per_teacher: each = true, register_multiple: multiple } = args;
  if (!Array.isArray(teachers)) return null;
  const names = new Set(teachers.map((teacher) => asObject(teacher)?.name));
  const classes = each && teachers.length > 0 ? names.size : 1;
  if (!multiple) return classes;
  return typeof multiple === "number" ? classes + multiple - (classes % multiple) : null;
}

/** Tensors of the sound encoder and of its projection (mlx-vlm's SoundEncoder). */
function* soundTensors({ file, folded }: PartContext): Iterable<PartTensor> {
  const config = soundOf(file);
  const size = reader(config, soundDefaults);
  const [hidden, inner] = [size("hidden_size"), size("intermediate_size")];
  const heads = size("num_attention_heads");
  const headSize = made((one, count) => one / count, hidden, heads);
  const all = made((count, one) => count * one, heads, headSize);
  const linear = (module: string, rows: Size, columns: Size, biased: unknown) =>
    biased === true ? both(module, [rows, columns]) : [weight(module, [rows, columns])];
  const ofAttention = config?.attention_bias;

  yield* subsampling(size);
  for (let layer = 0; layer < (size("num_hidden_layers") ?? 0); layer++) {
    const at = `layers.${layer}`;
    for (const norm of ["feed_forward1", "self_att", "conv", "feed_forward2"])
      yield* both(`${at}.norm_${norm}`, [hidden]);
    yield* both(`${at}.norm_out`, [hidden]);
    for (const mlp of ["feed_forward1", "feed_forward2"]) {
      yield* linear(`${at}.${mlp}.linear1`, inner, hidden, ofAttention);
      yield* linear(`${at}.${mlp}.linear2`, hidden, inner, ofAttention);
    }
    const attention = `${at}.self_attn`;
    for (const name of ["q_proj", "k_proj", "v_proj"])
      yield* linear(`${attention}.${name}`, all, hidden, ofAttention);
    yield* linear(`${attention}.o_proj`, hidden, all, ofAttention);
    yield weight(`${attention}.relative_k_proj`, [all, hidden]);
    yield { name: `${attention}.bias_u`, shape: [heads, headSize] };
    yield { name: `${attention}.bias_v`, shape: [heads, headSize] };
    yield* convolutions(`${at}.conv`, hidden, size("conv_kernel_size"), config?.convolution_bias);
  }
  const under = "sound_projection.";
  const middle = size("projection_hidden_size");
  yield { under, name: "norm.weight", shape: [hidden] };
  for (const one of linear("linear1", middle, hidden, config?.projection_bias))
    yield { ...one, under };
  for (const one of linear("linear2", languageSize(folded), middle, config?.projection_bias))
    yield { ...one, under };
  requireHeads("sound_config", hidden, heads);
}

/** Convolutions that halve the time, and a projection. Between them are activations. */
function* subsampling(size: (key: string) => Size): Iterable<PartTensor> {
  const [channels, kernel] = [
    size("subsampling_conv_channels"),
    size("subsampling_conv_kernel_size"),
  ];
  const factor = size("subsampling_factor") ?? 1;
  const count = Math.trunc(Math.log2(factor));
  const at = (layer: number) => `subsampling.layers.${layer}`;
  yield* both(at(0), [channels, 1, kernel, kernel]);
  for (let i = 0; i < count - 1; i++) {
    yield* both(at(3 * i + 2), [channels, 1, kernel, kernel]);
    yield* both(at(3 * i + 3), [channels, channels, 1, 1]);
  }
  const stride = size("subsampling_conv_stride");
  const bins = made((mel, step) => mel / step ** count, size("num_mel_bins"), stride);
  const inputs = made((one, other) => one * other, channels, bins);
  yield* both("subsampling.linear", [size("hidden_size"), inputs]);
}

function* convolutions(at: string, hidden: Size, kernel: Size, bias: unknown) {
  const doubled = made((one) => 2 * one, hidden);
  const each: [string, PartTensor["shape"]][] = [
    ["pointwise_conv1", [doubled, hidden, 1]],
    ["depthwise_conv", [hidden, 1, kernel]],
    ["pointwise_conv2", [hidden, hidden, 1]],
  ];
  for (const [name, shape] of each)
    yield* bias === true ? both(`${at}.${name}`, shape) : [weight(`${at}.${name}`, shape)];
  yield* both(`${at}.norm`, [hidden]);
  yield { name: `${at}.norm.running_mean`, shape: [hidden] };
  yield { name: `${at}.norm.running_var`, shape: [hidden] };
}

const weight = (module: string, shape: PartTensor["shape"]): PartTensor => ({
  name: `${module}.weight`,
  shape,
});

/** The weight of a module, and its bias of the weight's first size. */
function both(module: string, shape: PartTensor["shape"]): PartTensor[] {
  return [weight(module, shape), { name: `${module}.bias`, shape: shape.slice(0, 1) }];
}

const radio = "vision_model.radio_model.";
const parakeet = "sound_encoder.encoder.";

const absent = (...keys: string[]) => Object.fromEntries(keys.map((key) => [key, null]));
/** Both spellings of the tokens that stand for images, videos and sound. */
const imageTokens = absent(
  ...["img_context_token_id", "image_token_id"],
  ...["video_context_token_id", "video_token_id"],
);
const soundTokens = absent("sound_context_token_id", "audio_token_id");

/** The table of a tower, which ends with a check of its tokens (checkPlaceholders). */
function withTokens(
  part: CarriedPart,
  table: PartTable,
  tokens: Readonly<Record<string, null>>,
): PartTable {
  return function* (context) {
    yield* table(context);
    checkPlaceholders(context, part, tokens);
  };
}

/** The towers as parts that a tier carries. The first convolution has one channel in. */
export const omniTowers: readonly Carried[] = [
  {
    part: "vision",
    names: [
      [radio],
      ["vision_model."],
      ["mlp1.0.", "mlp1.layers.0."],
      ["mlp1.1.", "mlp1.layers.1."],
      ["mlp1.3.", "mlp1.layers.3."],
      [finalNorm, "vision_final_layernorm"],
    ],
    drops: (name) => /^vision_model\.(radio_model\.)?summary_idxs$/.test(name),
    configKeys: ["vision_config"],
    needs: withTokens("vision", visionTensors, imageTokens),
    isWhole: true,
    layers: { "model.blocks.": blocksOf },
  },
  {
    part: "audio",
    names: [[parakeet], ["sound_encoder."], ["sound_projection."]],
    drops: (name) =>
      name.startsWith(`${parakeet}feature_extractor.`) || name.endsWith(".num_batches_tracked"),
    move: (name, rank) => (rank > 2 && name.endsWith(".weight") ? channelsLast : null),
    isMoved: (tensors) => {
      const { shape = [] } = tensors.get(`${parakeet}subsampling.layers.0.weight`) ?? {};
      return shape.length === 4 && shape[1] !== 1 && shape[3] === 1;
    },
    configKeys: ["sound_config", "audio_config"],
    needs: withTokens("audio", soundTensors, soundTokens),
    isWhole: true,
    layers: { "layers.": layersOf },
  },
];
