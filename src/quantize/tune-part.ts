import { sum } from "../ground/sum.ts";
import { bytesPerElement } from "../kernel/dtype.ts";
import { elements, modulePath, storedTensors } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { widthOf } from "../plan/plan-widths.ts";
import type { PartRecord } from "./part-record.ts";
import { type TierTarget, TierWriter } from "./tier-writer.ts";
import type { TuneWalk } from "./tune-types.ts";

/** A part of every tier that is tuned as a whole. */
export interface TierPart {
  /** `embeddings`, `block 7` or `head`. */
  readonly name: string;
  /** null: outside the blocks. */
  readonly layer: number | null;
  /** Its quantized tensors. */
  readonly tensors: readonly PlannedTensor[];
}

/**
 * Tunes a part for the tiers that do not have it yet, and records it. `tune` gets a walk that
 * writes to these tiers only. For the others, the results of an earlier run are taken over. Null if
 * all tiers have it, or leave it to another run.
 */
export async function tunePart<T>(
  walk: TuneWalk,
  part: TierPart,
  tune: (walk: TuneWalk) => Promise<T>,
): Promise<T | null> {
  const { name, layer, tensors } = part;
  const { ledger, directions, tools, writer } = walk;
  const missing = writer.tiers.filter((tier) => {
    if (tier.log.isLeft?.(name) === true) return false;
    const known = tier.log.recall(name);
    if (known !== null) takeOver(walk, { tier, part, known });
    return known === null;
  });
  if (missing.length === 0) return null;
  ledger.startCounts(layer);
  const result = await tune({ ...walk, writer: new TierWriter(missing) });
  const aware = tensors.map(modulePath).filter((module) => directions?.modules.has(module));
  for (const { plan, log } of missing) {
    const stored = tensors.flatMap((tensor) =>
      storedTensors(tensor, widthOf(plan, tensor), tools.storage),
    );
    log.record({
      ...{ name, tensors: stored.map((tensor) => tensor.name) },
      ...ledger.resultsOf(plan, layer, tensors),
      routerAware: aware,
      router: null,
    });
  }
  return result;
}

interface KnownPart {
  readonly tier: TierTarget;
  readonly part: TierPart;
  readonly known: PartRecord;
}

function takeOver({ ledger, directions, progress }: TuneWalk, { tier, part, known }: KnownPart) {
  ledger.recall(tier.plan, part.layer, known);
  for (const module of known.routerAware) directions?.modules.add(module);
  progress(sum(part.tensors, bytesOf));
}

/** Bytes of a tensor in the base. */
export function bytesOf(tensor: PlannedTensor): number {
  return elements(tensor.shape) * bytesPerElement[tensor.dtype]!;
}
