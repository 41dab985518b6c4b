import type { Base } from "../base/base.ts";
import { OqeError } from "../ground/errors.ts";
import { sum, total } from "../ground/sum.ts";
import { isMxfp4, mxfp4Width, type Width } from "../kernel/width.ts";
import { modulePath } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { TierPlan } from "../plan/plan-types.ts";
import { widthOf } from "../plan/plan-widths.ts";
import type { Hessian } from "./hessian.ts";
import type { MatrixRecord, PartRecord } from "./part-record.ts";
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

/** An input of a layer, or of a tensor outside the blocks (null). */
export interface DroppedAt {
  readonly layer: number | null;
  readonly input: string;
}

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

/**
 * Collects the results of all matrices. They may finish in any order; sums are in a fixed order.
 */
export class TuningLedger {
  readonly #base: Base;
  /** Module path and width -> the sums of each matrix of the stack. */
  readonly #sums = new Map<string, Map<number, TunedSums>>();
  /** Layer -> calibration tokens of each expert. */
  readonly #tokens = new Map<number, number[]>();
  /** Module path -> the fallback that was used, by expert. */
  readonly #fallbacks = new Map<string, Map<number, string>>();
  /** Layer (null: outside the blocks) -> input -> its rows that were not finite. */
  readonly #dropped = new Map<number | null, Map<string, number>>();

  /**
   * Modules whose errors were reduced in the directions that later routers read; null without that
   * repair.
   */
  routerAware: ReadonlySet<string> | null = null;
  /** Layer -> matrices that were tuned towards another target; null without that repair. */
  moved: Map<number, number> | null = null;

  constructor(base: Base) {
    this.#base = base;
  }

  add({ tensor, expert, hessian, widths, sums }: LedgerEntry): void {
    const module = modulePath(tensor);
    const fallback = describeFallback(hessian);
    for (const [i, width] of widths.entries())
      this.#put(width, { module, expert, sums: sums[i]!, fallback });
  }

  /** Records a matrix whose codes are the base's. */
  keep(tensor: PlannedTensor, expert: number, sums: TunedSums): void {
    this.#put(mxfp4Width, { module: modulePath(tensor), expert, sums, fallback: null });
  }

  #put(width: Width, { module, expert, sums, fallback }: MatrixRecord): void {
    const key = keyOf(module, width);
    this.#sums.set(key, (this.#sums.get(key) ?? new Map()).set(expert, sums));
    if (fallback === null) return;
    this.#fallbacks.set(module, (this.#fallbacks.get(module) ?? new Map()).set(expert, fallback));
  }

  /** The results of a part of one tier. `layer` is null outside the blocks. */
  resultsOf(
    plan: TierPlan,
    layer: number | null,
    tensors: readonly PlannedTensor[],
  ): Pick<PartRecord, "matrices" | "tokens" | "dropped" | "moved"> {
    const matrices = tensors.flatMap((tensor) => {
      const module = modulePath(tensor);
      const fallbacks = this.#fallbacks.get(module);
      return this.#sumsOf(tensor, widthOf(plan, tensor)!).map(([expert, sums]) => {
        return { module, expert, sums, fallback: fallbacks?.get(expert) ?? null };
      });
    });
    const dropped = Object.fromEntries(this.#dropped.get(layer) ?? []);
    if (layer === null) return { matrices, tokens: [], dropped, moved: 0 };
    const moved = this.moved?.get(layer) ?? 0;
    return { matrices, tokens: [...(this.#tokens.get(layer) ?? [])], dropped, moved };
  }

  /** Takes the results of a part over, as an earlier run found them. */
  recall(plan: TierPlan, layer: number | null, part: PartRecord): void {
    for (const matrix of part.matrices) this.#put(plan.modules[matrix.module]!, matrix);
    if (layer !== null && part.tokens.length > 0) this.#tokens.set(layer, [...part.tokens]);
    if (layer !== null) this.moved?.set(layer, part.moved);
    this.#dropped.set(layer, new Map(Object.entries(part.dropped)));
  }

  /** Begins the counts of a layer anew: it is tuned for some tiers, and others are finished. */
  startCounts(layer: number | null): void {
    this.#dropped.delete(layer);
  }

  /** Records how many tokens were routed to an expert. */
  route(layer: number, expert: number, tokens: number): void {
    const ofLayer = this.#tokens.get(layer) ?? [];
    ofLayer[expert] = tokens;
    this.#tokens.set(layer, ofLayer);
  }

  /**
   * Counts rows of an input that are not finite. Throws BAD_CHECKPOINT if they are too large a
   * share of the calibration's `tokens`.
   */
  drop(dropped: number, tokens: number, { layer, input }: DroppedAt): void {
    if (dropped === 0) return;
    const ofLayer = this.#dropped.get(layer) ?? new Map<string, number>();
    const all = (ofLayer.get(input) ?? 0) + dropped;
    this.#dropped.set(layer, ofLayer.set(input, all));
    if (all <= mostDropped * tokens) return;
    const where = layer === null ? input : `layer ${layer}, ${input}`;
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
      const entries = this.#sumsOf(tensor, width).map(([, sums]) => sums);
      for (const sums of entries) {
        squaredError += sums.squaredError;
        weightEnergy += sums.weightEnergy;
      }
      if (!isMxfp4(width)) modules[path] = this.#recordOf(path, entries);
    }
    const tuning: TuningRecord = {
      experts: this.#expertRecord(plan),
      droppedRows: total([...this.#dropped.values()].flatMap((one) => [...one.values()])),
      kinds: kindRecords(this.#base.tensors, modules),
      repair: {
        routers: null,
        routerAware: this.#countAware(modules),
        moved: this.moved && total([...this.moved.values()]),
      },
      modules,
    };
    const relativeError = weightEnergy === 0 ? 0 : squaredError / weightEnergy;
    return { relativeError, tuning, warnings: this.#warnings() };
  }

  /** Of the modules that one tier has tuned. Another may have the base's codes for some. */
  #countAware(tuned: Readonly<Record<string, ModuleRecord>>): number | null {
    if (this.routerAware === null) return null;
    return [...this.routerAware].filter((path) => Object.hasOwn(tuned, path)).length;
  }

  /** Expert and sums of each matrix, in the order of the experts. */
  #sumsOf(tensor: PlannedTensor, width: Width): readonly [expert: number, sums: TunedSums][] {
    const found = this.#sums.get(keyOf(modulePath(tensor), width)) ?? new Map();
    if (found.size !== tensor.sources.length) {
      throw new OqeError(
        "INTERNAL",
        `${tensor.name}: ${found.size} of ${tensor.sources.length} matrices were tuned`,
        "This architecture's forward pass does not use all of its tensors. Please report this bug.",
      );
    }
    return [...found].sort(([a], [b]) => a - b);
  }

  #recordOf(path: string, entries: readonly TunedSums[]): ModuleRecord {
    const ratios = entries.map(({ loss, roundedLoss }) =>
      roundedLoss > 0 ? loss / roundedLoss : 1,
    );
    const fallbacks = this.#fallbacks.get(path);
    return {
      ratio: mean(ratios),
      roundedRows: sum(entries, ({ roundedRows }) => roundedRows),
      rows: sum(entries, ({ rows }) => rows),
      ...(fallbacks === undefined ? {} : { fallback: summarize(fallbacks, entries.length) }),
    };
  }

  #expertRecord(plan: TierPlan): ExpertRecord | null {
    const tokens = [...this.#tokens.values()].flat().toSorted((a, b) => a - b);
    if (tokens.length === 0) return null;
    let [matrices, below] = [0, 0];
    for (const tensor of this.#base.tensors) {
      const { role, layer, sources, shape } = tensor;
      const width = widthOf(plan, tensor);
      if (role.routed !== true || width === undefined || isMxfp4(width)) continue;
      matrices += sources.length;
      below += sources.filter(
        (_, expert) => this.#tokens.get(layer!)![expert]! < shape.at(-1)!,
      ).length;
    }
    // Nothing was tuned on the experts' tokens: their codes are the base's.
    if (matrices === 0) return null;
    const middle = [tokens[(tokens.length - 1) >> 1]!, tokens[tokens.length >> 1]!];
    return {
      experts: tokens.length,
      min: tokens[0]!,
      median: mean(middle),
      unseen: tokens.filter((n) => n === 0).length,
      belowColumns: below / matrices,
      tokens: [...this.#tokens]
        .map(([layer, own]) => ({ layer, tokens: own }))
        .toSorted((a, b) => a.layer - b.layer),
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

function keyOf(path: string, { bits, groupSize, mode }: Width): string {
  return `${path} ${bits} ${groupSize} ${mode ?? ""}`;
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
