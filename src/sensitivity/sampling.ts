import { joinRows, type Weight, weightRows } from "../kernel/matrix.ts";
import type { PlannedTensor } from "../models/architecture.ts";

/**
 * Whether an expert of a stack is tuned: `most` evenly spaced ones, or all of fewer. The others are
 * rounded.
 */
export function isExpertMeasured(
  { sources }: PlannedTensor,
  expert: number,
  most: number,
): boolean {
  const count = sources.length;
  if (count <= most) return true;
  const place = Math.ceil((expert * most) / count);
  return Math.floor((place * count) / most) === expert;
}

/** The sample of matrices: of every role the tensor in the middle layer; two experts of a stack. */
export function roleSample(
  tensors: readonly PlannedTensor[],
): (tensor: PlannedTensor, expert: number) => boolean {
  const byRole = new Map<string, PlannedTensor[]>();
  for (const tensor of tensors) {
    const { role } = tensor.role;
    byRole.set(role, [...(byRole.get(role) ?? []), tensor]);
  }
  const chosen = new Set([...byRole.values()].map((all) => all[Math.floor(all.length / 2)]!));
  return (tensor, expert) =>
    chosen.has(tensor) && (expert === 0 || expert === Math.floor(tensor.sources.length / 2));
}

/** Rows of a sample that are taken together, its least rows, and the least share. */
const [rowsTogether, fewestRows, sampleEvery] = [16, 256, 4];
/** Most rows of a sample. */
export const mostRows = 4096;

/**
 * Rows of a matrix that stand for all: the ratio of the losses at two widths is much the same for
 * all rows. Up to every fourth 16 rows, if these are 256 or more; at most 4,096 rows.
 */
export function sampleRows(weight: Weight): Weight {
  const { rows } = weight;
  const quarter = Math.min(sampleEvery, Math.floor(rows / fewestRows));
  const every = Math.max(quarter, Math.ceil(rows / mostRows));
  if (every < 2) return weight;
  const step = rowsTogether * every;
  const starts = Array.from({ length: Math.ceil(rows / step) }, (_, i) => i * step);
  return joinRows(
    starts.map((start) => weightRows(weight, start, Math.min(rows, start + rowsTogether))),
  );
}
