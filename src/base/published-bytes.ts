import { sum } from "../ground/sum.ts";
import { bytesPerElement } from "../kernel/dtype.ts";
import { elements } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { blocksOf } from "../models/coding.ts";
import type { Source } from "../models/source.ts";

/** Bytes of a value's code, and of a block's scale. */
const codeBytes = { fp8: 1, mxfp4: 1 / 2 } as const;
const scaleBytes = { fp8: 4, mxfp4: 1 } as const;

/** How a base codes weights that its authors publish quantized. */
export type CodedFormat = keyof typeof codeBytes;

/** The format of a base's coded weights; null: it stores floats only. */
export function codedFormat(tensors: readonly PlannedTensor[]): CodedFormat | null {
  const coded = tensors.flatMap(({ sources }) => sources).find(({ coding }) => coding !== null);
  return coded?.coding?.format ?? null;
}

/** Bytes of the base's tensors as its files have them, each once. fp8 scales count as float32. */
export function publishedBytes(tensors: readonly PlannedTensor[]): number {
  const sizes = new Map<string, number>();
  for (const { sources, dtype } of tensors)
    for (const source of sources) sizes.set(source.tensor, bytesOf(source, dtype));
  return sum([...sizes.values()], (bytes) => bytes);
}

/**
 * Bytes of the base's files that a walk reads for a tensor. A base tensor that holds several
 * interleaved tensors is read for each of them.
 */
export function bytesRead({ sources, dtype }: PlannedTensor): number {
  return sum(sources, (source) => {
    const { base, shape, strides } = source;
    const span = 1 + sum(shape, (size, axis) => (size - 1) * strides[axis]!);
    return Math.ceil((bytesOf(source, dtype) * span) / elements(base));
  });
}

function bytesOf({ base, coding }: Source, dtype: string): number {
  const count = elements(base);
  if (coding === null) return count * bytesPerElement[dtype]!;
  const [rows, columns] = base.slice(-2) as [number, number];
  const [down, across] = blocksOf(coding, rows, columns);
  const scales = (count / (rows * columns)) * down * across;
  return count * codeBytes[coding.format] + scales * scaleBytes[coding.format];
}
