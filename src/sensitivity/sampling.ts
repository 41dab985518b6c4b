import type { PlannedTensor } from "../models/architecture.ts";

/** `count` of the numbers below `layers`, evenly spaced, the first and the last among them. */
export function spread(layers: number, count: number): readonly number[] {
  if (layers <= count) return Array.from({ length: layers }, (_, i) => i);
  return Array.from({ length: count }, (_, i) => Math.round((i * (layers - 1)) / (count - 1)));
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
