import { gibibytes, gigabytes, grouped } from "./card/figures.ts";
import type { SeriesPlan } from "./quant/plan-types.ts";

const columns = ["tier", "target bpw", "bpw", "file bpw", "bytes", "GB", "GiB", "boosts", "plan"];

/** The series as a plain table for a terminal: one line a tier, columns aligned. */
export function formatMatrix(plan: SeriesPlan): string {
  const rows = plan.tiers.map((tier) => [
    tier.tier,
    tier.targetBpw.toFixed(2),
    tier.bpw.toFixed(2),
    tier.fileBpw.toFixed(2),
    grouped(tier.bytes),
    gigabytes(tier.bytes),
    gibibytes(tier.bytes),
    String(tier.boosts),
    tier.plan,
  ]);
  const table = [columns, ...rows];
  const sizes = columns.map((_, c) => Math.max(...table.map((row) => row[c]!.length)));
  const align = (cell: string, c: number) =>
    c === 0 || c === columns.length - 1 ? cell.padEnd(sizes[c]!) : cell.padStart(sizes[c]!);
  return table.map((row) => row.map(align).join("  ").trimEnd()).join("\n");
}

/** What no tier quantizes, collapsed to one line a reason. */
export function formatKept(plan: SeriesPlan): string {
  const counts = new Map<string, number>();
  for (const reason of Object.values(plan.kept)) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts].map(([reason, count]) => `kept unquantized: ${count} × ${reason}`).join("\n");
}
