import type { Base } from "../base/base.ts";
import { OqeError } from "../ground/errors.ts";
import type { Matrix } from "../kernel/matrix.ts";
import type { Width } from "../kernel/width.ts";
import { modulePath } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { TierPlan } from "../plan/plan-types.ts";
import { widthOf } from "../plan/plan-widths.ts";
import type { Hessian } from "./hessian.ts";
import type { TunedSums } from "./tuned-sums.ts";
import type { TunedTier } from "./tuned-tier.ts";
import {
  type ExpertRecord,
  kindRecords,
  type ModuleRecord,
  type TuningRecord,
} from "./tuning-record.ts";

/**
 * Share of an input's rows that may be not finite. With more, the Hessian does not describe the
 * text.
 */
const mostDropped = 0.01;

/** Result of tuning one matrix of a tensor. */
export interface LedgerEntry {
  readonly tensor: PlannedTensor;
  /** Number in a stack of experts; 0 for a tensor that is not a stack. */
  readonly expert: number;
  readonly hessian: Hessian | null;
  readonly widths: readonly Width[];
  /** In the order of `widths`. */
  readonly sums: readonly TunedSums[];
}

interface Entry {
  readonly expert: number;
  readonly sums: TunedSums;
}

/**
 * Collects the results of all matrices. They may finish in any order; sums are in a fixed order.
 */
export class TuningLedger {
  readonly #base: Base;
  /** Module path and width -> one entry per matrix of the stack. */
  readonly #entries = new Map<string, Entry[]>();
  /** Layer and expert -> calibration tokens. */
  readonly #tokens = new Map<string, number>();
  /** Module path -> the fallback that was used, by expert. */
  readonly #fallbacks = new Map<string, Map<number, string>>();
  /** Input -> rows that were not finite. */
  readonly #dropped = new Map<string, number>();

  /** Modules whose errors were reduced in the directions that later routers read; null without that repair. */
  routerAware: number | null = null;
  /** Matrices that were tuned towards another target; null without that repair. */
  moved: number | null = null;

  constructor(base: Base) {
    this.#base = base;
  }

  add({ tensor, expert, hessian, widths, sums }: LedgerEntry): void {
    for (const [i, width] of widths.entries()) {
      const key = keyOf(modulePath(tensor), width);
      const entries = this.#entries.get(key) ?? [];
      entries.push({ expert, sums: sums[i]! });
      this.#entries.set(key, entries);
    }
    const fallback = describeFallback(hessian);
    if (fallback === null) return;
    const path = modulePath(tensor);
    this.#fallbacks.set(path, (this.#fallbacks.get(path) ?? new Map()).set(expert, fallback));
  }

  /** Records how many tokens were routed to an expert. */
  route(layer: number, expert: number, x: Matrix): void {
    this.#tokens.set(`${layer} ${expert}`, x.rows);
  }

  /**
   * Counts rows of an input that are not finite. Throws BAD_CHECKPOINT if they are too large a
   * share of the calibration's `tokens`.
   */
  drop(dropped: number, tokens: number, where: string): void {
    if (dropped === 0) return;
    const all = (this.#dropped.get(where) ?? 0) + dropped;
    this.#dropped.set(where, all);
    if (all <= mostDropped * tokens) return;
    throw new OqeError(
      "BAD_CHECKPOINT",
      `activations of ${all} rows are not finite at ${where}; ` +
        `at most ${100 * mostDropped} % of ${tokens} tokens may be dropped`,
      "The model overflows on this text. Check the base with its own runtime. " +
        "Or use other calibration text, or method: rounded.",
    );
  }

  /** Sums up one plan. Throws INTERNAL if a quantized matrix was never tuned. */
  close(plan: TierPlan): TunedTier {
    const modules: Record<string, ModuleRecord> = {};
    let [squaredError, weightEnergy] = [0, 0];
    for (const tensor of this.#base.tensors) {
      const path = modulePath(tensor);
      const width = widthOf(plan, tensor);
      if (width === undefined) continue;
      const entries = this.#entriesOf(tensor, width);
      for (const { sums } of entries) {
        squaredError += sums.squaredError;
        weightEnergy += sums.weightEnergy;
      }
      modules[path] = this.#recordOf(path, entries);
    }
    const tuning: TuningRecord = {
      experts: this.#expertRecord(plan),
      droppedRows: [...this.#dropped.values()].reduce((sum, rows) => sum + rows, 0),
      kinds: kindRecords(this.#base.tensors, modules),
      repair: { routers: null, routerAware: this.routerAware, moved: this.moved },
      modules,
    };
    const relativeError = weightEnergy === 0 ? 0 : squaredError / weightEnergy;
    return { relativeError, tuning, warnings: this.#warnings() };
  }

  #entriesOf(tensor: PlannedTensor, width: Width): readonly Entry[] {
    const entries = this.#entries.get(keyOf(modulePath(tensor), width)) ?? [];
    if (entries.length !== tensor.sources.length) {
      throw new OqeError(
        "INTERNAL",
        `${tensor.name}: ${entries.length} of ${tensor.sources.length} matrices were tuned`,
        "This architecture's forward pass does not use all of its tensors. Please report this bug.",
      );
    }
    return entries.toSorted((a, b) => a.expert - b.expert);
  }

  #recordOf(path: string, entries: readonly Entry[]): ModuleRecord {
    const ratios = entries.map(({ sums }) =>
      sums.roundedLoss > 0 ? sums.loss / sums.roundedLoss : 1,
    );
    const fallbacks = this.#fallbacks.get(path);
    return {
      ratio: mean(ratios),
      roundedRows: entries.reduce((sum, { sums }) => sum + sums.roundedRows, 0),
      rows: entries.reduce((sum, { sums }) => sum + sums.rows, 0),
      ...(fallbacks === undefined ? {} : { fallback: summarize(fallbacks, entries.length) }),
    };
  }

  #expertRecord(plan: TierPlan): ExpertRecord | null {
    const tokens = [...this.#tokens.values()].toSorted((a, b) => a - b);
    if (tokens.length === 0) return null;
    let [matrices, below] = [0, 0];
    for (const tensor of this.#base.tensors) {
      const { role, layer, sources, shape } = tensor;
      if (role.routed !== true || widthOf(plan, tensor) === undefined) continue;
      matrices += sources.length;
      below += sources.filter(
        (_, expert) => this.#tokens.get(`${layer} ${expert}`)! < shape.at(-1)!,
      ).length;
    }
    const middle = [tokens[(tokens.length - 1) >> 1]!, tokens[tokens.length >> 1]!];
    return {
      experts: tokens.length,
      min: tokens[0]!,
      median: mean(middle),
      unseen: tokens.filter((n) => n === 0).length,
      belowColumns: matrices === 0 ? 0 : below / matrices,
    };
  }

  #warnings(): string[] {
    return this.#base.tensors.flatMap((tensor) => {
      const fallbacks = this.#fallbacks.get(modulePath(tensor));
      return fallbacks === undefined
        ? []
        : [`${modulePath(tensor)}: ${summarize(fallbacks, tensor.sources.length)}`];
    });
  }
}

function keyOf(path: string, { bits, groupSize }: Width): string {
  return `${path} ${bits} ${groupSize}`;
}

function describeFallback(hessian: Hessian | null): string | null {
  if (hessian === null) return "no input projection in the first block, all columns counted alike";
  const { factor, damping } = hessian;
  if (factor === null) return "Hessian not positive definite, weighted by its diagonal only";
  return damping > 0.01 ? `Hessian damped by ${100 * damping} % instead of 1 %` : null;
}

/** `experts 3, 17: Hessian damped …` */
function summarize(fallbacks: ReadonlyMap<number, string>, matrices: number): string {
  const texts = [...new Set(fallbacks.values())].toSorted();
  return texts
    .map((text) => {
      const experts = [...fallbacks].filter(([, own]) => own === text).map(([expert]) => expert);
      return matrices === 1
        ? text
        : `${text} (experts ${experts.toSorted((a, b) => a - b).join(", ")})`;
    })
    .join("; ");
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
