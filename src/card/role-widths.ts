import type { RoleWidths } from "../chart/bits-picture.ts";
import { parts, projections, type Role } from "../models/architecture.ts";
import { roleOfModule } from "../models/module-role.ts";
import type { Receipt } from "../receipt/receipt.ts";
import { shortRole } from "./part-words.ts";

/** More than any architecture has. A forged receipt could name thousands. */
const most = { rows: 40, layers: 1024 };

/** Widths of the plan by role and layer; roles from the input of the model to its output. */
export function roleWidths({ plan, model }: Pick<Receipt, "plan" | "model">): {
  readonly rows: readonly RoleWidths[];
  readonly layers: number;
} {
  const found = new Map<string, RoleRow>();
  for (const [path, { bits }] of Object.entries(plan.modules)) {
    const [, layer, end = path] = /\.layers\.(\d{1,4})\.(.+)$/.exec(path) ?? [];
    const role = roleOfModule(model.modelType, path);
    const name = role === null ? end : shortRole(role);
    const own = found.get(name) ?? { rank: rankOf(role), layers: new Map(), outside: null };
    if (layer === undefined) own.outside = bits;
    else own.layers.set(Number(layer), bits);
    found.set(name, own);
  }
  const blocks = model.layers.reduce((sum, { count }) => sum + count, 0);
  const layers = [...found.values()].reduce(
    (count, own) => Math.max(count, ...[...own.layers.keys()].map((layer) => layer + 1)),
    blocks,
  );
  const sorted = [...found].sort(([a, x], [b, y]) => x.rank - y.rank || (a < b ? -1 : 1));
  const rows = sorted.map(([role, { layers, outside }]) => ({ role, layers, outside }));
  return { rows: rows.slice(0, most.rows), layers: layers <= most.layers ? layers : 0 };
}

interface RoleRow {
  readonly rank: number;
  readonly layers: Map<number, number>;
  outside: number | null;
}

/** Position of the row of a role; unknown roles are last. */
function rankOf(role: Role | null): number {
  if (role === null || role.part === null) return Number.MAX_SAFE_INTEGER;
  const projection = role.projection === null ? 0 : projections.indexOf(role.projection);
  return parts.indexOf(role.part) * projections.length + projection;
}
