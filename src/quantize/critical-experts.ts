import type { Sensitivity } from "../plan/sensitivity-types.ts";
import type { CriticalExperts } from "./tune-types.ts";

/** The experts that are critical to some domain, by layer. None without a sensitivity. */
export function criticalExpertsOf(
  sensitivity: Pick<Sensitivity, "critical"> | null,
): CriticalExperts {
  const layers = new Map<number, Set<number>>();
  for (const { layer, expert } of sensitivity?.critical ?? []) {
    layers.set(layer, (layers.get(layer) ?? new Set()).add(expert));
  }
  return layers;
}
