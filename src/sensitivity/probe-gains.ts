import type { BlockPart } from "./block-parts.ts";
import type { ProbeResult } from "./probes.ts";

/** The error of a block's part as its probe shows it right after the block. */
export interface PartError {
  readonly part: BlockPart;
  readonly layer: number;
  /** Parts of one kind are alike but for their depth. */
  readonly kind: string;
  /** Error power of the hidden states after the block, relative to their power. */
  readonly error: number;
}

/**
 * Results of all parts. A part that has no probe gets them from the parts of its kind before and
 * behind it that have one. Their results per unit of error power are interpolated by depth,
 * position by position, and multiplied by its own error power. The gain changes slowly with depth
 * (docs/sensitivity.md). A probe without an error says nothing about the gain and is passed over.
 * Where no probe of the kind has one, the results are 0.
 */
export function withUnprobed(
  probes: ReadonlyMap<string, ProbeResult>,
  parts: readonly PartError[],
): ReadonlyMap<string, ProbeResult> {
  const all = new Map(probes);
  for (const one of parts) {
    if (probes.has(one.part.name)) continue;
    const ofKind = parts.filter(({ kind, part }) => kind === one.kind && probes.has(part.name));
    const some = ofKind.filter(({ error }) => error > 0);
    const known = some.length > 0 ? some : ofKind;
    const before = known.findLast(({ layer }) => layer < one.layer) ?? known[0]!;
    const behind = known.find(({ layer }) => layer > one.layer) ?? known.at(-1)!;
    const apart = behind.layer - before.layer;
    const share = apart === 0 ? 0 : (one.layer - before.layer) / apart;
    const factors = [(1 - share) * ratio(one, before), share * ratio(one, behind)] as const;
    const ends = [probes.get(before.part.name)!, probes.get(behind.part.name)!] as const;
    const mix = (of: (end: ProbeResult) => number) =>
      factors[0] * of(ends[0]) + factors[1] * of(ends[1]);
    all.set(one.part.name, {
      divergence: ends[0].divergence.map((_, t) => mix(({ divergence }) => divergence[t]!)),
      flipPower: mix(({ flipPower }) => flipPower),
    });
  }
  return all;
}

function ratio({ error }: PartError, of: PartError): number {
  return of.error > 0 ? error / of.error : 0;
}
