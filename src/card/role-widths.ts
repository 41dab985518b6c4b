import type { RoleWidths } from "../chart/bits-picture.ts";
import type { Receipt } from "../receipt/receipt.ts";

/** Roles by the end of a module's path, in the order of the picture's rows; first match wins. */
const roles: readonly (readonly [RegExp, string])[] = [
  [/embed/, "embeddings"],
  [/in_proj$/, "Mamba-2 in"],
  [/out_proj$/, "Mamba-2 out"],
  [/q_proj$/, "attention q"],
  [/k_proj$/, "attention k"],
  [/v_proj$/, "attention v"],
  [/o_proj$/, "attention out"],
  [/switch_mlp\.gate_proj$/, "experts gate"],
  [/switch_mlp\.(?:up_proj|fc1)$/, "experts up"],
  [/switch_mlp\.(?:down_proj|fc2)$/, "experts down"],
  [/shared_experts?\.gate_proj$/, "shared gate"],
  [/shared_experts?\.up_proj$/, "shared up"],
  [/shared_experts?\.down_proj$/, "shared down"],
  [/fc1_latent_proj$/, "latent in"],
  [/fc2_latent_proj$/, "latent out"],
  [/gate_proj$/, "MLP gate"],
  [/up_proj$/, "MLP up"],
  [/down_proj$/, "MLP down"],
  [/lm_head/, "output head"],
];

/** More than any architecture has; a receipt that was tampered with may name thousands. */
const most = { rows: 40, layers: 1024 };

/** Widths of the plan by role and layer, roles in the order that they are shown in. */
export function roleWidths({ plan, model }: Pick<Receipt, "plan" | "model">): {
  readonly rows: readonly RoleWidths[];
  readonly layers: number;
} {
  const found = new Map<string, { layers: Map<number, number>; outside: number | null }>();
  for (const [path, { bits }] of Object.entries(plan.modules)) {
    const [, layer, end = path] = /\.layers\.(\d{1,4})\.(.+)$/.exec(path) ?? [];
    const role = roles.find(([matches]) => matches.test(end))?.[1] ?? end;
    const own = found.get(role) ?? { layers: new Map<number, number>(), outside: null };
    if (layer === undefined) own.outside = bits;
    else own.layers.set(Number(layer), bits);
    found.set(role, own);
  }
  const blocks = Object.values(model.layers).reduce((sum, count) => sum + count, 0);
  const layers = [...found.values()].reduce(
    (count, own) => Math.max(count, ...[...own.layers.keys()].map((layer) => layer + 1)),
    blocks,
  );
  const rank = (role: string) =>
    (roles.findIndex(([, name]) => name === role) + roles.length + 1) % (roles.length + 1);
  const rows = [...found].map(([role, widths]) => ({ role, ...widths }));
  rows.sort((a, b) => rank(a.role) - rank(b.role) || (a.role < b.role ? -1 : 1));
  return { rows: rows.slice(0, most.rows), layers: layers <= most.layers ? layers : 0 };
}
