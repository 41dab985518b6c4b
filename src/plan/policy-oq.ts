import type { FloatDtype } from "../kernel/dtype.ts";
import { type Bits, isMxfp4, mxfp4Width, type Width } from "../kernel/width.ts";
import { elements, quantizedBytes } from "../mlx/format.ts";
import type { PlannedTensor, Role } from "../models/architecture.ts";
import { widthAt } from "./plan-widths.ts";
import { type Tier, tierGroupSize } from "./tiers.ts";

/** Facts that the rules use besides the tensors. */
export interface OqContext {
  readonly storage: FloatDtype;
  /** The architecture's: a mixture of experts has no floor for o_proj. */
  readonly countsAsMoe: boolean;
  /** Sensitivity of each layer, at any scale. The published series was planned with zeros. */
  readonly scores: readonly number[];
}

export const ruleBits = [2, 3, 4, 5, 6, 8] as const satisfies readonly Bits[];

/**
 * The rule-based plan of oMLX's spring-2026 edition (omlx/oq.py), which made the published Nemotron
 * series. Steps: embeddings and head at 8 bits; floors by role; boosts by layer score up to the
 * cap. If the target is not reached, boosted tensors get more bits. Routed experts stay at the
 * tier's width. Pure; ties stay in table order. @param tensors the quantizable tensors in table
 * order @returns the width of every tensor, in the same order
 */
export function planByRules(
  tier: Tier,
  tensors: readonly PlannedTensor[],
  context: OqContext,
): Width[] {
  const chosen = tensors.map((): Bits => tier.bits);
  if (tier.capBpw !== null) {
    const budget = new Budget(tensors, chosen, tier, context.storage);
    anchor(tensors, budget);
    raiseToFloors(tensors, budget, context);
    boostByScore(tensors, budget, context);
    spendTowardsTarget(tensors, budget, context);
  }
  return chosen.map((bits, index) => widthAt(tensors[index]!, bits));
}

/**
 * Tracks the bits per weight of the quantizable tensors. Refuses changes that would exceed the cap.
 * All count as affine: codes of the base take less, and do not pay for wider others. Else a tier
 * could be larger than the next one.
 */
class Budget {
  readonly chosen: Bits[];
  readonly tier: Tier;
  private readonly bytesAt: (index: number, bits: Bits) => number;
  private readonly parameters: number;
  private bytes: number;

  constructor(tensors: readonly PlannedTensor[], chosen: Bits[], tier: Tier, storage: FloatDtype) {
    this.chosen = chosen;
    this.tier = tier;
    this.bytesAt = (index, bits) =>
      quantizedBytes(tensors[index]!.shape, { bits, groupSize: tierGroupSize }, storage);
    this.parameters = tensors.reduce((sum, tensor) => sum + elements(tensor.shape), 0);
    this.bytes = chosen.reduce((sum: number, bits, index) => sum + this.bytesAt(index, bits), 0);
  }

  get bpw(): number {
    return (8 * this.bytes) / this.parameters;
  }

  /** Whether the tensor now has `bits`. False: it has as many already, or the cap forbids it. */
  raise(index: number, bits: Bits): boolean {
    const bytes = this.bytes - this.bytesAt(index, this.chosen[index]!) + this.bytesAt(index, bits);
    if (bits <= this.chosen[index]! || (8 * bytes) / this.parameters > this.tier.capBpw!)
      return false;
    this.bytes = bytes;
    this.chosen[index] = bits;
    return true;
  }

  isBoosted(index: number): boolean {
    return this.chosen[index]! > this.tier.bits;
  }
}

function anchor(tensors: readonly PlannedTensor[], budget: Budget) {
  for (const [index, tensor] of tensors.entries()) {
    const { kind } = tensor.role;
    if (kind === "embeddings" || kind === "head") budget.raise(index, 8);
  }
}

function raiseToFloors(tensors: readonly PlannedTensor[], budget: Budget, context: OqContext) {
  const sensitive = sensitiveLayers(context.scores);
  for (const [index, tensor] of tensors.entries()) {
    if (tensor.role.routed === true || budget.isBoosted(index)) continue;
    const floor = roleFloor(tensor.role, sensitive(tensor.layer), context.countsAsMoe);
    if (floor !== null) budget.raise(index, floor);
  }
}

/** Least width of a role; null: the tier's width. */
function roleFloor(
  { part, projection }: Role,
  sensitive: boolean,
  countsAsMoe: boolean,
): Bits | null {
  switch (part) {
    case "shared":
      return 8;
    case "mamba":
      return 5;
    case "delta":
      return projection === "in" && !sensitive ? null : 5;
    case "mlp":
      if (projection !== "down") return null;
      return sensitive ? 6 : 5;
    case "attention":
      if (projection === "o") return countsAsMoe ? null : 5;
      if (!sensitive) return null;
      return projection === "v" ? 6 : 5;
    default:
      return null;
  }
}

/** The quarter of layers with the highest scores. As in oMLX, equal scores make all sensitive. */
function sensitiveLayers(scores: readonly number[]): (layer: number | null) => boolean {
  const sorted = [...scores].sort((a, b) => b - a);
  const cut = sorted.at(Math.floor(sorted.length / 4) - 1) ?? 0;
  return (layer) => layer !== null && scores[layer]! >= cut;
}

/** Indices of the tensors inside blocks, most sensitive layer first. The sort is stable. */
function byScore(tensors: readonly PlannedTensor[], scores: readonly number[]): number[] {
  const indices = [...tensors.keys()].filter(
    (i) => tensors[i]!.layer !== null && tensors[i]!.role.routed !== true,
  );
  return indices.sort((a, b) => scores[tensors[b]!.layer!]! - scores[tensors[a]!.layer!]!);
}

function boostByScore(tensors: readonly PlannedTensor[], budget: Budget, { scores }: OqContext) {
  const highest = Math.max(0, ...scores);
  for (const index of byScore(tensors, scores)) {
    const share = highest === 0 ? 0 : scores[tensors[index]!.layer!]! / highest;
    const current = budget.chosen[index]!;
    const most = Math.min(8, share >= 0.5 ? 8 : share >= 0.2 ? current + 2 : current + 1);
    for (const bits of ruleBits.filter((b) => b > current && b <= most).reverse()) {
      if (budget.raise(index, bits)) break;
    }
  }
}

function spendTowardsTarget(
  tensors: readonly PlannedTensor[],
  budget: Budget,
  { scores }: OqContext,
) {
  for (const index of byScore(tensors, scores)) {
    if (budget.bpw >= budget.tier.targetBpw) return;
    if (!budget.isBoosted(index) || budget.chosen[index] === 8) continue;
    for (const bits of [8, 6, 5, 4, 3] as const) {
      if (budget.raise(index, bits)) break;
    }
  }
}

/**
 * Describes the modules that do not have the tier's width, widest first: `8bitX48, 6bitX70`, codes
 * of the base last: `mxfp4X72`. Boosts are those above it. Without any the plan is `uniform 8bit`.
 */
export function describePlan(
  tier: Tier,
  widthsChosen: readonly Width[],
): { boosts: number; plan: string } {
  const counts = new Map<number, number>();
  const others = widthsChosen.filter((width) => !isMxfp4(width));
  for (const { bits } of others)
    if (bits !== tier.bits) counts.set(bits, (counts.get(bits) ?? 0) + 1);
  const parts = [...counts].sort(([a], [b]) => b - a).map(([bits, count]) => `${bits}bitX${count}`);
  const kept = widthsChosen.length - others.length;
  if (kept > 0) parts.push(`${mxfp4Width.mode}X${kept}`);
  const boosts = others.filter(({ bits }) => bits > tier.bits).length;
  return { boosts, plan: parts.length === 0 ? `uniform ${tier.bits}bit` : parts.join(", ") };
}
