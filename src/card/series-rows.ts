import { bitsPerWeight, gibibytes, gigabytes, grouped } from "./figures.ts";
import { code } from "./markdown.ts";
import type { SeriesRow } from "./receipt.ts";
import { table } from "./template-shapes.ts";

const keys = ["tier", "target", "bpw", "fileBpw", "bytes", "gb", "gib", "boosts", "plan"] as const;
export type MatrixRow = Readonly<Record<(typeof keys)[number], string>>;

/** Rows of the performance matrix, for the card and the job summary alike. `label` is the first cell, in Markdown. */
export function matrixRows(series: readonly SeriesRow[], label: (row: SeriesRow) => string): readonly MatrixRow[] {
  return table(
    keys,
    series.map((row) => ({
      tier: label(row),
      target: bitsPerWeight(row.targetBpw),
      bpw: bitsPerWeight(row.bpw),
      fileBpw: bitsPerWeight(row.fileBpw),
      bytes: grouped(row.bytes),
      gb: gigabytes(row.bytes),
      gib: gibibytes(row.bytes),
      boosts: grouped(row.boosts),
      plan: code(row.plan),
    })),
  );
}
