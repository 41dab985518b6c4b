import { joinRows, type Weight, weightRows } from "../kernel/matrix.ts";
import type { PlannedTensor } from "../models/architecture.ts";

/** Experts of a layer that are tuned when sensitivity is measured. The others are rounded. */
const mostExperts = 16;

/** Whether an expert of a stack is tuned: 16 evenly spaced ones, or all of fewer. */
export function isExpertMeasured({ sources }: PlannedTensor, expert: number): boolean {
  const count = sources.length;
  if (count <= mostExperts) return true;
  const place = Math.ceil((expert * mostExperts) / count);
  return Math.floor((place * count) / mostExperts) === expert;
}

/** The sample of matrices: of every role the tensor in the middle layer; two experts of a stack. */
export function sampleOf(
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

/** Rows of a forecast that are taken together, the least of them all, and the most to leave out. */
const [rowsTogether, fewestRows, sampleEvery] = [16, 256, 4];

/**
 * Rows of a matrix that stand for all in a forecast: the ratio of the losses at two widths is much
 * the same for all rows. Up to every fourth 16 rows, if these are 256 or more.
 */
export function forecastSample(weight: Weight): Weight {
  const { rows } = weight;
  const every = Math.min(sampleEvery, Math.floor(rows / fewestRows));
  if (every < 2) return weight;
  const step = rowsTogether * every;
  const starts = Array.from({ length: Math.ceil(rows / step) }, (_, i) => i * step);
  return joinRows(
    starts.map((start) => weightRows(weight, start, Math.min(rows, start + rowsTogether))),
  );
}
