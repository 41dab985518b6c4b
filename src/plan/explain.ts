import type { FloatDtype } from "../kernel/dtype.ts";
import { type Bits, isMxfp4, type Width } from "../kernel/width.ts";
import { modulePath, quantizedBytes } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { flipLoss } from "./least-loss.ts";
import type { TierPlan } from "./plan-types.ts";
import { widthAt, widthOf } from "./plan-widths.ts";
import { flipFactor } from "./policy-measured.ts";
import type { Sensitivity, WidthCost } from "./sensitivity-types.ts";

/** The best way to spend more bytes on a role: most nats of predicted KL saved per byte. */
export interface NextBoost {
  readonly module: string;
  readonly from: Width;
  readonly to: Width;
  readonly bytes: number;
  /** Nats per position. */
  readonly saves: number;
}

/** A plan's tensors of one role. */
export interface RoleSummary {
  readonly role: string;
  /** First and last layer; null: outside the blocks. */
  readonly layers: readonly [number, number] | null;
  /** In layer order. */
  readonly widths: readonly Width[];
  readonly bytes: number;
  /**
   * Share of the predicted KL: the role's KL with forced routes, and its share of the cost of
   * flips, by flip power. null without a sensitivity.
   */
  readonly share: number | null;
  /** null without a sensitivity, or if all tensors are at 8 bits. */
  readonly next: NextBoost | null;
}

/** Summarizes a plan by role, in the order of the role table. */
export function explainPlan(
  plan: TierPlan,
  tensors: readonly PlannedTensor[],
  storage: FloatDtype,
  sensitivity: Sensitivity | null,
): RoleSummary[] {
  const quantized = tensors.filter((tensor) => widthOf(plan, tensor) !== undefined);
  const costs = sensitivity === null ? null : costsOfPlan(plan, sensitivity);
  const roles = [...new Set(quantized.map((tensor) => tensor.role.role))];
  return roles.map((role) => {
    const own = quantized.filter((tensor) => tensor.role.role === role);
    const layers = own.flatMap(({ layer }) => (layer === null ? [] : [layer]));
    const modules = own.map(modulePath);
    return {
      role,
      layers: layers.length === 0 ? null : [layers[0]!, layers.at(-1)!],
      widths: modules.map((module) => plan.modules[module]!),
      bytes: own.reduce(
        (sum, tensor) => sum + quantizedBytes(tensor.shape, widthOf(plan, tensor)!, storage),
        0,
      ),
      share: costs && modules.reduce((sum, module) => sum + costs.share(module), 0),
      next: costs && nextBoost(own, plan, storage, costs),
    };
  });
}

interface PlanCosts {
  /** A module's share of the predicted KL. */
  readonly share: (module: string) => number;
  /** Nats that a module would save at another width. */
  readonly saving: (module: string, to: Width) => number;
}

function costsOfPlan(plan: TierPlan, sensitivity: Sensitivity): PlanCosts {
  const widths = new Map(sensitivity.tensors.map((tensor) => [tensor.module, tensor.widths]));
  const at = (module: string, to: Width): Pick<WidthCost, "forcedKl" | "flipPower"> =>
    isMxfp4(to)
      ? { forcedKl: 0, flipPower: 0 }
      : widths.get(module)!.find(({ bits }) => bits === to.bits)!;
  const own = (module: string) => at(module, plan.modules[module]!);
  const power = Object.keys(plan.modules).reduce((sum, module) => sum + own(module).flipPower, 0);
  const forcedKl = Object.keys(plan.modules).reduce((sum, module) => sum + own(module).forcedKl, 0);
  const factor = flipFactor(sensitivity);
  const flips = flipLoss(factor, power);
  const total = forcedKl + flips;
  return {
    share: (module) =>
      (own(module).forcedKl + (power > 0 ? (flips * own(module).flipPower) / power : 0)) /
      (total || 1),
    saving(module, to) {
      const [now, then] = [own(module), at(module, to)];
      return (
        now.forcedKl -
        then.forcedKl +
        flips -
        flipLoss(factor, Math.max(0, power - now.flipPower + then.flipPower))
      );
    },
  };
}

function nextBoost(
  tensors: readonly PlannedTensor[],
  plan: TierPlan,
  storage: FloatDtype,
  costs: PlanCosts,
) {
  let best: NextBoost | null = null;
  for (const tensor of tensors) {
    const module = modulePath(tensor);
    const width = plan.modules[module]!;
    for (const to of [4, 5, 6, 8].map((bits) => widthAt(tensor, bits as Bits))) {
      const bytes =
        quantizedBytes(tensor.shape, to, storage) - quantizedBytes(tensor.shape, width, storage);
      if (bytes <= 0) continue;
      const saves = costs.saving(module, to);
      if (best === null || saves / bytes > best.saves / best.bytes)
        best = { module, from: width, to, bytes, saves };
    }
  }
  return best;
}
