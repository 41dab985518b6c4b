import { placesOf, type ShardLayout } from "../mlx/layout.ts";
import type { PartRecord } from "../quantize/part-record.ts";
import type { StagedEntry } from "./staged-records.ts";

/** A tier, as its plan says. */
export interface PlannedTier {
  readonly layouts: readonly ShardLayout[];
  /** Whether a record is of a part of this tier. */
  readonly fits: (part: PartRecord) => boolean;
}

/**
 * Whether entries of a staging branch are of a tier, to be asked in their order: shards are files
 * of its layout, and every tensor of a part is in a complete shard or in the piece.
 */
export function entryFits({ layouts, fits }: PlannedTier): (entry: StagedEntry) => boolean {
  const places = placesOf(layouts);
  const sizes = new Map(layouts.map(({ file, bytes }) => [file, bytes]));
  const complete = new Set<string>();
  return ({ parts, shards, piece }) => {
    const areShards = Object.entries(shards).every(
      ([file, { bytes }]) => sizes.get(file) === bytes,
    );
    if (!areShards || !parts.every(({ part }) => fits(part))) return false;
    for (const file of Object.keys(shards)) complete.add(file);
    const tensors = new Set(parts.flatMap(({ part }) => part.tensors));
    const inPiece = new Set(piece?.tensors ?? []);
    const size = [...inPiece].reduce((sum, name) => sum + (places.get(name)?.bytes ?? 0), 0);
    return (
      [...inPiece].every((name) => tensors.has(name)) &&
      [...tensors].every((name) => inPiece.has(name) || complete.has(places.get(name)!.file)) &&
      inPiece.size === (piece?.tensors.length ?? 0) &&
      size === (piece?.file.bytes ?? 0)
    );
  };
}
