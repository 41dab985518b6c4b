import type { Width } from "../kernel/width.ts";
import { modulePath } from "../mlx/format.ts";
import type { OutputTensor } from "../models/architecture.ts";
import type { TierPlan } from "./plan-types.ts";

/** The width that a plan gives a tensor; undefined for an unquantized one. */
export function widthOf(
  { modules }: Pick<TierPlan, "modules">,
  tensor: Pick<OutputTensor, "name">,
): Width | undefined {
  const path = modulePath(tensor);
  return Object.hasOwn(modules, path) ? modules[path] : undefined;
}
