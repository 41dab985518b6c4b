import type { Width } from "../kernel/width.ts";
import { measuredBits } from "../plan/sensitivity-types.ts";
import { tierGroupSize } from "../plan/tiers.ts";

/** The widths that are measured, in the order of `measuredBits`. */
export const widths: readonly Width[] = measuredBits.map((bits) => ({
  bits,
  groupSize: tierGroupSize,
}));
/**
 * Place of the width that tensors are probed at: that of the smallest tier, whose errors stand out
 * most.
 */
export const probeIndex = measuredBits.indexOf(4);
export const probeWidth: Width = widths[probeIndex]!;
