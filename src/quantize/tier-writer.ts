import type { Weight } from "../kernel/matrix.ts";
import { isMxfp4, type Width } from "../kernel/width.ts";
import { distinct, modulePath, sameWidth } from "../mlx/format.ts";
import type { TierSink } from "../mlx/tier-sink.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { TierPlan } from "../plan/plan-types.ts";
import { widthOf } from "../plan/plan-widths.ts";
import { writeCodes } from "./kept-codes.ts";
import type { PartLog } from "./part-record.ts";
import type { TunedRows } from "./tuned-rows.ts";

/** One tier to be written. */
export interface TierTarget {
  readonly plan: TierPlan;
  readonly sink: TierSink;
  /** Its finished parts. */
  readonly log: PartLog;
}

/** Writes tuned rows to every tier whose plan has their width. */
export class TierWriter {
  readonly tiers: readonly TierTarget[];

  constructor(tiers: readonly TierTarget[]) {
    this.tiers = tiers;
  }

  /** All plans quantize the same tensors, only the widths differ. */
  isQuantized(tensor: PlannedTensor): boolean {
    return widthOf(this.tiers[0]!.plan, tensor) !== undefined;
  }

  /** The affine widths that the plans give a quantized tensor, each once. */
  widthsOf(tensor: PlannedTensor): Width[] {
    const path = modulePath(tensor);
    const widths = this.tiers.map(({ plan }) => plan.modules[path]!);
    return distinct(widths.filter((width) => !isMxfp4(width)));
  }

  /** Whether some plan stores the base's own codes. */
  keepsCodes(tensor: PlannedTensor): boolean {
    return this.tiers.some(({ plan }) => isMxfp4(widthOf(plan, tensor)!));
  }

  /** Writes the base's codes of a whole matrix to every tier whose plan has them. */
  async writeCodes(tensor: PlannedTensor, member: number, weight: Weight): Promise<void> {
    const place = { tensor, row: member * weight.rows };
    const keeping = this.tiers.filter(({ plan }) => isMxfp4(widthOf(plan, tensor)!));
    await Promise.all(keeping.map(({ sink }) => writeCodes(sink, place, weight)));
  }

  /** `firstRow`: where the part's matrix begins in the stored tensor, which may be a stack. */
  async write(tensor: PlannedTensor, firstRow: number, part: TunedRows): Promise<void> {
    const path = modulePath(tensor);
    const wanted = this.tiers.filter(({ plan }) => sameWidth(plan.modules[path]!, part.width));
    await Promise.all(wanted.map(({ sink }) => writeRows(sink, path, firstRow, part)));
  }
}

async function writeRows(
  sink: TierSink,
  path: string,
  firstRow: number,
  { start, rows, words, scales, biases }: TunedRows,
): Promise<void> {
  for (const [name, bytes] of Object.entries({ weight: words, scales, biases })) {
    await sink.write(`${path}.${name}`, (firstRow + start) * (bytes.byteLength / rows), bytes);
  }
}
