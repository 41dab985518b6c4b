import { carriedLines } from "../card/carried-facts.ts";
import { bitsPerWeight, gibibytes, gigabytes, grouped, percentage } from "../card/figures.ts";
import { wrap } from "../ground/wrap.ts";
import type { RoleSummary } from "../plan/explain.ts";
import { costlyFloors, formatFloors } from "../plan/floors.ts";
import type { SeriesPlan, TierPlan } from "../plan/plan-types.ts";
import { widthName } from "../plan/plan-widths.ts";
import { textTable } from "./text-table.ts";

const columns = ["tier", "target bpw", "bpw", "file bpw", "bytes", "GB", "GiB", "boosts", "plan"];

const explanationColumns = ["role", "layers", "bytes", "KL share", "next boost", "nats/MB", "bits"];
const leftColumns = new Set(["role", "next boost", "bits"]);

/** Columns that a narrow terminal has no room for: others say the same. */
const wideColumns = new Set(["file bpw", "GiB"]);
/** In characters, for the plan of a model with some ten boosted matrices. */
const wideTable = 100;

/** The series as a plain table for a terminal, one line per tier; then the costly floors. */
export function formatPlan(plan: SeriesPlan, width: number): string {
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
  const floors = plan.tiers.flatMap((tier) =>
    costlyFloors(tier).map(
      ([name, share]) =>
        `${tier.tier}: the floor of ${name} costs ${percentage(share, 1)} of the predicted KL`,
    ),
  );
  const shown = (row: readonly string[]) =>
    row.filter((_, c) => width >= wideTable || !wideColumns.has(columns[c]!));
  const table = textTable([columns, ...rows].map(shown), new Set(["tier", "plan"]), width);
  const carried = plan.tiers[0] === undefined ? [] : carriedLines(plan.tiers[0]);
  return [table, ...carried, ...floors].join("\n");
}

/**
 * One tier's plan, one line per role: its widths in layer order, its share of the predicted KL, and
 * the gain of its best next boost.
 */
export function formatExplanation(
  plan: TierPlan,
  roles: readonly RoleSummary[],
  width: number,
): string {
  const rows = roles.map(({ role, layers, bytes, share, next, widths }) => [
    role,
    layers === null
      ? ""
      : layers[0] === layers[1]
        ? String(layers[0])
        : `${layers[0]}-${layers[1]}`,
    grouped(bytes),
    share === null ? "" : `${(100 * share).toFixed(1)} %`,
    next === null ? "" : `${layerOf(next.module)}${widthName(next.from)}→${widthName(next.to)}`,
    next === null ? "" : ((1e6 * next.saves) / next.bytes).toExponential(1),
    collapse(widths.map(widthName)),
  ]);
  const { predicted, floors } = plan;
  const limits = floors === null ? "" : `, floors ${formatFloors(floors)}`;
  const loss =
    predicted === null
      ? ""
      : `, predicted KL ${predicted.kl.toPrecision(3)} nats ` +
        `(${predicted.forcedKl.toPrecision(3)} with routes forced)`;
  const size = `${bitsPerWeight(plan.bpw)} bpw of ${bitsPerWeight(plan.targetBpw)}`;
  const table = textTable([explanationColumns, ...rows], leftColumns, width);
  return `${wrap(`${plan.tier}: ${size}${loss}${limits}`, width).join("\n")}\n${table}`;
}

function layerOf(module: string): string {
  const [, layer] = /\.layers\.(\d+)\./.exec(module) ?? [];
  return layer === undefined ? "" : `layer ${layer} `;
}

/** `6 5×3 4`. */
function collapse(names: readonly string[]): string {
  const runs: { readonly name: string; count: number }[] = [];
  for (const name of names) {
    const last = runs.at(-1);
    if (last?.name === name) last.count++;
    else runs.push({ name, count: 1 });
  }
  return runs.map((run) => (run.count === 1 ? run.name : `${run.name}×${run.count}`)).join(" ");
}

/** The tensors that no tier quantizes: one line per reason. */
export function formatUnquantized(plan: SeriesPlan): readonly string[] {
  const counts = new Map<string, number>();
  for (const reason of Object.values(plan.unquantized))
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts].map(([reason, count]) => `unquantized: ${count} × ${reason}`);
}
