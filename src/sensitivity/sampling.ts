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
