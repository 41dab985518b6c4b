import { writeJson } from "../checkpoint/json.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { FloatDtype } from "../kernel/dtype.ts";
import type { Width } from "../kernel/width.ts";
import type { Wrapper } from "../models/fold.ts";
import { sameWidth } from "./format.ts";

/** Facts in config.json about the weights of an MLX repo. */
export interface Quantization {
  /** Width of every quantized module that `modules` does not name. */
  readonly defaults: Width;
  /** MLX module path -> width. */
  readonly modules: Readonly<Record<string, Width>>;
  /** Dtype of scales, biases and unquantized tensors. */
  readonly storage: FloatDtype;
  /** Keys whose numbers the base's config.json writes as floats. */
  readonly floatKeys: ReadonlySet<string>;
  /** The config that is written around the language model's. Default: none. */
  readonly wrapper?: Wrapper | null;
}

/** How config.json spells a dtype. */
export const torchNames: Readonly<Record<FloatDtype, string>> = {
  BF16: "bfloat16",
  F16: "float16",
  F32: "float32",
};

/** Keys that transformers reads as floats, refusing 1000000 for 1000000.0. */
const floats = ["time_step_limit", "rope_theta", "attention_factor", "swiglu_limit"];

/**
 * Text of an MLX repo's `config.json`: the base's folded config with `torch_dtype`, `quantization`
 * and its copy `quantization_config`, which the Hub's model tree reads. Each module whose width is
 * not the default has an entry: mlx-lm up to 0.32.0 would load it at the default width otherwise.
 * `_name_or_path` is left out: it is a path of the author's machine.
 */
export function mlxConfigText(config: ModelConfig, quantization: Quantization): string {
  const { _name_or_path: _, ...rest } = config;
  const value = quantizationValue(quantization);
  const torch_dtype = torchNames[quantization.storage];
  const { wrapper = null } = quantization;
  const own = { ...rest, torch_dtype };
  const nested = wrapper === null ? own : nest(own, wrapper);
  const whole = { ...nested, quantization: value, quantization_config: value };
  return writeJson(whole, 4, new Set([...quantization.floatKeys, ...floats]));
}

/** The dtype is in both, because mlx-lm and mlx-vlm read either. */
function nest(own: ModelConfig, { key, config }: Wrapper): ModelConfig {
  const { _name_or_path: _, ...outer } = config;
  return { ...outer, torch_dtype: own.torch_dtype, [key]: own };
}

function quantizationValue({ defaults, modules }: Quantization): Record<string, unknown> {
  const overrides = Object.entries(modules).filter(([, width]) => !sameWidth(width, defaults));
  return {
    ...widthValue(defaults),
    ...Object.fromEntries(overrides.map(([path, w]) => [path, widthValue(w)])),
  };
}

function widthValue({ bits, groupSize, mode }: Width) {
  return { group_size: groupSize, bits, mode: mode ?? "affine" };
}
