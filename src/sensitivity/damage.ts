import { copyMatrix, type Matrix, newMatrix } from "../kernel/matrix.ts";
import type { Ops } from "../models/ops.ts";
import { type Routing, visitorsOf } from "../models/routing.ts";
import type { LayerExperts, Sensitivity } from "../plan/sensitivity-types.ts";
import type { BlockPass } from "./block-pass.ts";
import { squaredDistances } from "./powers.ts";

/** Factor on the error power of an expert's codes: they may be worse than those of tuning. */
export type ExpertScale = (expert: number) => number;

export interface DamageRequest {
  readonly ops: Ops;
  readonly layer: number;
  readonly routing: Routing;
  /** Hidden states of the probe rows before the block, and after it. */
  readonly before: Matrix;
  readonly after: Matrix;
  /**
   * Outputs of the base's experts, and of the experts at the probe's width, for the same tokens.
   */
  readonly plain: BlockPass["outputs"];
  readonly probed: BlockPass["outputs"];
  readonly behind: BlockPass["behind"];
  /** Domain of each token, as a number below `domains`. */
  readonly domainOf: Uint32Array;
  readonly domains: number;
  readonly scale: ExpertScale;
}

/**
 * How much each domain uses each expert of a layer, and how much quantizing the expert damages the
 * domain. The damage is a quotient: Σ gate² · |error of its output in the residual stream|² over
 * the expert's tokens, divided by Σ |what the block adds to that stream|² over all tokens of the
 * domain.
 */
export async function expertDamage(request: DamageRequest): Promise<LayerExperts> {
  const { ops, layer, routing, before, after, domainOf, domains, scale } = request;
  const table = () => Array.from({ length: domains }, () => Array<number>(routing.routed).fill(0));
  const [share, gate, damage] = [table(), table(), table()];
  const added = await squaredDistances(ops, after, before);
  const powers = Array<number>(domains).fill(0);
  for (const [token, power] of added.entries()) powers[domainOf[token]!]! += power;
  for (const [expert, { tokens, weights }] of visitorsOf(routing).entries()) {
    if (tokens.length === 0) continue;
    const errors = await outputErrors(request, expert);
    for (const [visit, token] of tokens.entries()) {
      const domain = domainOf[token]!;
      share[domain]![expert]!++;
      gate[domain]![expert]! += Math.abs(weights[visit]!);
      damage[domain]![expert]! += scale(expert) * weights[visit]! ** 2 * errors[visit]!;
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

/** |error of an expert's output|² in the residual stream, for each visit. */
async function outputErrors(
  { ops, plain, probed, behind }: DamageRequest,
  expert: number,
): Promise<Float64Array> {
  const [own, other] = [plain.get(expert)!, probed.get(expert)!];
  if (behind === null) return squaredDistances(ops, own, other);
  const error = newMatrix(own.rows, own.columns);
  copyMatrix(own, error);
  await ops.kernel.run("subtract", { x: error, from: other });
  return squaredDistances(ops, await ops.linear(error, behind), newMatrix(own.rows, behind.rows));
}

/** Share of all experts that are critical to a domain; at least 1, at most `mostCritical`. */
const criticalShare = 0.05;
const mostCritical = 16;

/** The experts whose errors damage each domain most, worst first. */
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
