import { type Bits, isMxfp4, mxfp4Width, type Width } from "../kernel/width.ts";
import { modulePath } from "../mlx/format.ts";
import type { OutputTensor, PlannedTensor } from "../models/architecture.ts";
import { keepsCodes } from "../models/source.ts";
import type { TierPlan } from "./plan-types.ts";
import { tierGroupSize } from "./tiers.ts";

/**
 * The width at which tiers store a tensor that is to have `bits`. Codes of mxfp4 that the base has
 * are stored as they are from 4 bits on: they have no error, and take 4.25 bits a weight, less than
 * affine codes of 4 bits. Only narrower affine codes are smaller.
 */
export function widthAt(tensor: PlannedTensor, bits: Bits): Width {
  const isKept = bits >= mxfp4Width.bits && keepsCodes(tensor);
  return isKept ? mxfp4Width : { bits, groupSize: tierGroupSize };
}

/** A width in few letters: `6`, `mxfp4`. */
export function widthName(width: Width): string {
  return isMxfp4(width) ? "mxfp4" : String(width.bits);
}

/** The width that a plan gives a tensor; undefined for an unquantized one. */
export function widthOf(
  { modules }: Pick<TierPlan, "modules">,
  tensor: Pick<OutputTensor, "name">,
): Width | undefined {
  const path = modulePath(tensor);
  return Object.hasOwn(modules, path) ? modules[path] : undefined;
}
