import type { Matrix } from "../kernel/matrix.ts";
import type { LayerKind } from "../models/layer-kind.ts";
import type { Ops } from "../models/ops.ts";
import { type Routing, visitorsOf } from "../models/routing.ts";
import { blockContext, type Model } from "../models/run.ts";
import type { LayerExperts, Sensitivity } from "../plan/sensitivity-types.ts";
import { squaredDistances } from "./probes.ts";

/** A model's way through a block. */
export interface Passage {
  /** Hidden states after it. */
  readonly y: Matrix;
  /** The choice of experts that was followed; null where the block has no router. */
  readonly routing: Routing | null;
  /** Expert -> its output for its visitors, `[visits, hidden]`, before the gate. */
  readonly outputs: ReadonlyMap<number, Matrix>;
}

/** Runs a block over whole sequences of `length` tokens. `forced`: the choice to follow in place of the model's own. */
export async function pass(
  model: Model,
  { layer, kind }: { readonly layer: number; readonly kind: LayerKind },
  x: Matrix,
  length: number,
  forced: Routing | null = null,
): Promise<Passage> {
  const outputs = new Map<number, Matrix>();
  let routing: Routing | null = null;
  const routes = (_: number, own: Routing) => {
    routing = forced ?? own;
    return routing;
  };
  const context = blockContext(model, layer, kind, { length, routes });
  const last = model.architecture
    .roles(kind)
    .find((role) => role.kind === "expert" && role.residual === true)?.role;
  const linear: typeof context.linear = async (role, rows, options) => {
    const y = await context.linear(role, rows, options);
    if (role === last) outputs.set(options!.expert!, y);
    return y;
  };
  const y = await model.architecture.forward.block({ ...context, linear }, x);
  return { y, routing, outputs };
}

export interface DamageRequest {
  readonly ops: Ops;
  readonly layer: number;
  readonly routing: Routing;
  /** Hidden states of the probe rows before the block, and after it. */
  readonly before: Matrix;
  readonly after: Matrix;
  /** What the experts say to the same visitors: the base's, and those with every tensor at the probe's width. */
  readonly plain: Passage["outputs"];
  readonly probed: Passage["outputs"];
  /** Domain of each token, as a number below `domains`. */
  readonly domainOf: Uint32Array;
  readonly domains: number;
}

/**
 * What each domain asks of each expert, and what quantizing the expert does to the domain: Σ over its tokens of gate² · |error of the
 * expert's output|², over Σ |what the block adds to the stream|² on the domain's tokens.
 */
export async function expertDamage(request: DamageRequest): Promise<LayerExperts> {
  const { ops, layer, routing, before, after, plain, probed, domainOf, domains } = request;
  const table = () => Array.from({ length: domains }, () => Array<number>(routing.routed).fill(0));
  const [share, gate, damage] = [table(), table(), table()];
  const added = await squaredDistances(ops, after, before);
  const powers = Array<number>(domains).fill(0);
  for (const [token, power] of added.entries()) powers[domainOf[token]!]! += power;
  for (const [expert, { tokens, weights }] of visitorsOf(routing).entries()) {
    if (tokens.length === 0) continue;
    const errors = await squaredDistances(ops, plain.get(expert)!, probed.get(expert)!);
    for (const [visit, token] of tokens.entries()) {
      const domain = domainOf[token]!;
      share[domain]![expert]!++;
      gate[domain]![expert]! += Math.abs(weights[visit]!);
      damage[domain]![expert]! += weights[visit]! ** 2 * errors[visit]!;
    }
  }
  const normalize = (rows: number[][], totals: readonly number[]) =>
    rows.map((row, i) => row.map((value) => (totals[i]! > 0 ? value / totals[i]! : 0)));
  const sums = (rows: number[][]) => rows.map((row) => row.reduce((sum, value) => sum + value, 0));
  return {
    layer,
    share: normalize(share, sums(share)),
    gate: normalize(gate, sums(gate)),
    damage: normalize(damage, powers),
  };
}

/** Of all experts so many are critical to a domain, within limits. */
const criticalShare = 0.05;
const mostCritical = 16;

/** The experts that each domain suffers most from, worst first. */
export function criticalExperts(
  layers: readonly LayerExperts[],
  domains: readonly string[],
): Sensitivity["critical"] {
  const count = layers.reduce((sum, { share }) => sum + (share[0]?.length ?? 0), 0);
  const most = Math.min(mostCritical, Math.max(1, Math.round(criticalShare * count)));
  return domains.flatMap((domain, d) => {
    const all = layers.flatMap(({ layer, share, damage }) =>
      damage[d]!.map((value, expert) => ({
        domain,
        layer,
        expert,
        share: share[d]![expert]!,
        damage: value,
      })),
    );
    const worst = all.filter((expert) => expert.damage > 0);
    worst.sort((a, b) => b.damage - a.damage || a.layer - b.layer || a.expert - b.expert);
    return worst.slice(0, most);
  });
}
