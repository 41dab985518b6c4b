import type { OutputTensor } from "./architecture.ts";
import { type Source, wholeTensor } from "./source.ts";
import { sliceOfStack } from "./transforms.ts";

type Shapes = ReadonlyMap<string, { readonly shape: readonly number[] }>;

/**
 * A checkpoint that mlx-lm converted without quantizing holds the MLX tensors themselves: experts
 * stacked, convolutions transposed. Gives the outputs with their sources in those tensors, wherever
 * the checkpoint has the MLX tensor and lacks those of the original. A tensor that looks the same
 * in both is taken as converted if another is, so that nothing is added to a norm twice.
 */
export function readConverted(outputs: readonly OutputTensor[], base: Shapes): OutputTensor[] {
  const isConverted = (output: OutputTensor) => {
    if (isAlike(output) || !isSame(base.get(output.name)?.shape, output.shape)) return false;
    return !output.sources.every((source) => isSame(base.get(source.tensor)?.shape, source.base));
  };
  const converted = new Set(outputs.filter(isConverted));
  return outputs.map((output) =>
    converted.has(output) || (converted.size > 0 && isAlike(output))
      ? { ...output, sources: asConverted(output) }
      : output,
  );
}

/** Whether base and MLX repository hold the tensor under one name and in one shape. */
function isAlike({ name, shape, sources: [first, ...more] }: OutputTensor): boolean {
  return more.length === 0 && first?.tensor === name && isSame(first.base, shape);
}

function asConverted({ role, name, shape, sources }: OutputTensor): Source[] {
  const whole = wholeTensor(name, shape);
  return sources.map((_, member) => (role.routed === true ? sliceOfStack(whole, member) : whole));
}

function isSame(one: readonly number[] | undefined, other: readonly number[]): boolean {
  return one?.length === other.length && one.every((size, axis) => size === other[axis]);
}
