import { isMxfp4, mxfp4Width } from "../kernel/width.ts";
import type { Part } from "../models/architecture.ts";
import { roleOfModule } from "../models/module-role.ts";
import type { Receipt } from "../receipt/receipt.ts";
import { table } from "../template/template-shapes.ts";
import { grouped } from "./figures.ts";
import { code, prose } from "./markdown.ts";
import { partWords } from "./part-words.ts";

const mostPatterns = 8;

/** Number of modules of each kind by width, widest first. */
export function widthRows(receipt: Receipt) {
  const patterns = new Map<string, { part: Part | null; counts: Map<string, number> }>();
  for (const [path, width] of Object.entries(receipt.plan.modules)) {
    const pattern = patternOf(path);
    const part = roleOfModule(receipt.model.modelType, path)?.part ?? null;
    const { counts } = patterns.get(pattern) ?? { counts: new Map<string, number>() };
    const label = width.mode ?? `${width.bits}-bit`;
    counts.set(label, (counts.get(label) ?? 0) + 1);
    patterns.set(pattern, { part, counts });
  }
  const rows = [...patterns].map(([pattern, { part, counts }]) => {
    const sorted = [...counts].sort(([a], [b]) => bitsOf(b) - bitsOf(a));
    return {
      part: part === null ? "other" : partWords[part],
      modules: code(pattern),
      count: grouped(sorted.reduce((sum, [, count]) => sum + count, 0)),
      widths: sorted.map(([label, count]) => `${label} × ${grouped(count)}`).join(", "),
      order: bitsOf(sorted[0]?.[0] ?? "0"),
    };
  });
  rows.sort(
    (a, b) => b.order - a.order || rank(a.part) - rank(b.part) || (a.modules < b.modules ? -1 : 1),
  );
  return table(
    ["part", "modules", "count", "widths"],
    rows.map(({ order: _, ...row }) => row),
  );
}

/** Bits of a label, to sort by. Codes of the base take 4. */
function bitsOf(label: string): number {
  return label === mxfp4Width.mode ? mxfp4Width.bits : Number.parseInt(label, 10);
}

/** How many modules have the codes of the base. */
export function keptModules({ plan }: Pick<Receipt, "plan">): number {
  return Object.values(plan.modules).filter(isMxfp4).length;
}

/** Tensors that no tier quantizes, by reason. */
export function unquantizedRows(receipt: Receipt) {
  const reasons = new Map<string, string[]>();
  for (const tensor of Object.keys(receipt.unquantized).sort()) {
    const reason = receipt.unquantized[tensor]!;
    reasons.set(reason, [...(reasons.get(reason) ?? []), tensor]);
  }
  return table(
    ["reason", "count", "tensors"],
    [...reasons].map(([reason, tensors]) => {
      const patterns = [...new Set(tensors.map(patternOf))];
      const shown = patterns.slice(0, mostPatterns).map(code).join(", ");
      const more =
        patterns.length > mostPatterns
          ? `, and ${grouped(patterns.length - mostPatterns)} more`
          : "";
      return { reason: prose(reason), count: grouped(tensors.length), tensors: shown + more };
    }),
  );
}

/** The path with a star for each number, which is the layer. */
function patternOf(path: string): string {
  return path.replace(/(?<=^|\.)\d+(?=\.|$)/g, "*");
}

function rank(part: string): number {
  return Object.values(partWords).indexOf(part);
}
