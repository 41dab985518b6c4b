import type { Width } from "../kernel/width.ts";
import { measuredBits } from "../plan/sensitivity-types.ts";
import { tierGroupSize } from "../plan/tiers.ts";

/** The widths at which sensitivity is measured, in the order of `measuredBits`. */
export const widths: readonly Width[] = measuredBits.map((bits) => ({
  bits,
  groupSize: tierGroupSize,
}));
/**
 * Index of the probe's width: that of the smallest tier of the series, whose errors are largest.
 */
export const probeIndex = measuredBits.indexOf(4);
export const probeWidth: Width = widths[probeIndex]!;
