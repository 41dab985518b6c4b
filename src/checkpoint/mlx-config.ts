import type { ModelConfig } from "../models/architecture.ts";
import type { Width } from "../quant/plan-types.ts";
import type { FloatDtype } from "./dtype.ts";
import { writeJson } from "./json.ts";

/** A repo's widths: the default, and every quantized module by its MLX path. */
export interface Quantization {
  readonly default: Width;
  readonly modules: Readonly<Record<string, Width>>;
}

const torchNames: Readonly<Record<FloatDtype, string>> = { BF16: "bfloat16", F16: "float16", F32: "float32" };

/**
 * Text of an MLX repo's `config.json`: the base's (folded) config, plus `quantization` and its copy `quantization_config` (the Hub's
 * model tree reads the latter). Every module that differs from the default gets an override: mlx-lm up to 0.32.0 would load it at
 * the default width otherwise.
 */
export function mlxConfigText(
  config: ModelConfig,
  quantization: Quantization,
  storage: FloatDtype,
  floatKeys: ReadonlySet<string>,
): string {
  const { _name_or_path: _, ...rest } = config;
  const value = quantizationValue(quantization);
  const whole = { ...rest, torch_dtype: torchNames[storage], quantization: value, quantization_config: value };
  return writeJson(whole, 4, floatKeys);
}

function quantizationValue({ default: base, modules }: Quantization): Record<string, unknown> {
  const overrides = Object.entries(modules).filter(([, w]) => w.bits !== base.bits || w.groupSize !== base.groupSize);
  return { ...widthValue(base), ...Object.fromEntries(overrides.map(([path, width]) => [path, widthValue(width)])) };
}

function widthValue({ bits, groupSize }: Width) {
  return { group_size: groupSize, bits, mode: "affine" };
}
