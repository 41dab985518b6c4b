import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import type { FloatDtype } from "../kernel/dtype.ts";
import { bytesPerElement } from "../kernel/dtype.ts";
import type { Width } from "../kernel/width.ts";
import { elements, isAligned, modulePath, quantizedBytes, storedTensors } from "../mlx/format.ts";
import type { Architecture, PlannedTensor } from "../models/architecture.ts";
import type { Floors, TierPlan } from "./plan-types.ts";
import {
  floorBytes,
  type MeasuredChoice,
  type PlanBasis,
  planByCosts,
  requireFloors,
} from "./policy-measured.ts";
import { describePlan, planByRules, ruleBits } from "./policy-oq.ts";
import { measuredBits } from "./sensitivity-types.ts";
import {
  budgetBytes,
  capTier,
  type Measure,
  refuseBudget,
  resolveTier,
  type TierChoice,
  uniformBytes,
} from "./targets.ts";
import { type Tier, tierGroupSize } from "./tiers.ts";

/** `measured`: bits go where a measurement says that they save most; `oq`: the rules of the published series. */
export const policies = ["measured", "oq"] as const;
export type Policy = (typeof policies)[number];

export interface PlanInput {
  readonly architecture: Architecture;
  readonly config: ModelConfig;
  readonly tensors: readonly PlannedTensor[];
  readonly storage: FloatDtype;
  /** Per-layer sensitivity; absent: flat, as the published series was planned. */
  readonly scores?: readonly number[];
}

/**
 * Plans one tier, or what may take a given size: by prices, where there are any, else by rules. Pure: the same shapes, config, scores
 * and prices give the same plan. Throws BAD_INPUT for a budget below the floors, BAD_SENSITIVITY for prices that are none.
 */
export function planTier(
  choice: TierChoice,
  input: PlanInput,
  costs: PlanBasis | null = null,
): TierPlan {
  const { storage } = input;
  const measure = measureOf(input, costs === null ? ruleBits : measuredBits);
  const { quantizable } = measure;
  const tier = resolveTier(choice, measure);
  const { widths, predicted, floors } =
    costs === null
      ? { widths: planRules(tier, measure, input), predicted: null, floors: null }
      : planMeasured(tier, choice, measure, input, costs);
  const modules = Object.fromEntries(
    quantizable.map((tensor, i) => [modulePath(tensor), widths[i]!]),
  );
  const parameters = sum(quantizable, (tensor) => elements(tensor.shape));
  const planned = quantizedTotal(quantizable, widths, storage);
  const bytes = payloadBytes(input.tensors, modules, storage);
  return {
    tier: tier.name,
    targetBpw: tier.targetBpw,
    bpw: (8 * planned) / parameters,
    fileBpw: (8 * bytes) / sum(input.tensors, (tensor) => elements(tensor.shape)),
    bytes,
    ...describePlan(tier, widths),
    predicted,
    floors,
    modules,
  };
}

/**
 * A tier of the series takes no more than the rules' plan of it does on this model, so that the two compare at equal bytes or fewer;
 * unless the floors need it.
 */
function planMeasured(
  tier: Tier,
  choice: TierChoice,
  measure: Measure,
  input: PlanInput,
  costs: PlanBasis,
): MeasuredChoice {
  const context = { ...measure, layers: layerKinds(input), ...costs };
  if (!("bits" in choice)) return planByCosts(tier, context);
  const byRules = quantizedTotal(
    measure.quantizable,
    planRules(tier, measure, input),
    input.storage,
  );
  return planByCosts(capTier(tier, Math.max(byRules, floorBytes(context)), measure), context);
}

function quantizedTotal(
  tensors: readonly PlannedTensor[],
  widths: readonly Width[],
  storage: FloatDtype,
): number {
  return sum(tensors, (tensor, i) => quantizedBytes(tensor.shape, widths[i]!, storage));
}

/** Throws BAD_INPUT where the smallest plan is above a tier's budget. `floors` null: by rules. */
export function requireBudget(choice: TierChoice, input: PlanInput, floors: Floors | null): void {
  const measure = measureOf(input, floors === null ? ruleBits : measuredBits);
  const tier = resolveTier(choice, measure);
  if (floors !== null) requireFloors(tier, { ...measure, layers: layerKinds(input), floors });
  else requireLeast(tier, measure);
}

function measureOf({ tensors, storage }: PlanInput, widths: Measure["widths"]): Measure {
  const quantizable = tensors.filter(isQuantizable);
  if (quantizable.length === 0) {
    throw new OqeError(
      "BAD_CHECKPOINT",
      `no tensor can be quantized: no input width is a multiple of ${tierGroupSize}`,
    );
  }
  const kept = tensors.filter((tensor) => !isQuantizable(tensor));
  return { quantizable, keptBytes: payloadBytes(kept, {}, storage), storage, widths };
}

function requireLeast(tier: Tier, measure: Measure): void {
  const least = uniformBytes(ruleBits[0], measure);
  if (least > budgetBytes(tier, measure))
    throw refuseBudget(tier, least, `${ruleBits[0]} bits throughout`, measure);
}

function planRules(tier: Tier, measure: Measure, input: PlanInput): Width[] {
  requireLeast(tier, measure);
  return planByRules(tier, measure.quantizable, {
    storage: input.storage,
    namedMoe: "num_experts" in input.config || "num_local_experts" in input.config,
    scores: input.scores ?? Array<number>(layerKinds(input).length).fill(0),
  });
}

function layerKinds({ architecture, config }: PlanInput) {
  return architecture.layers(config);
}

/** The tensors that no tier quantizes -> the reason. */
export function keptTensors(tensors: readonly PlannedTensor[]): Record<string, string> {
  const kept = tensors.filter((tensor) => !isQuantizable(tensor));
  return Object.fromEntries(kept.map((tensor) => [tensor.name, keptReason(tensor)]));
}

function keptReason(tensor: PlannedTensor): string {
  const reason = `input width ${tensor.shape.at(-1)} is not a multiple of the group size ${tierGroupSize}`;
  return tensor.role.treatment === "unquantized" ? (tensor.role.why ?? "unquantized") : reason;
}

export function isQuantizable(tensor: PlannedTensor): boolean {
  return tensor.role.treatment === "quantized" && isAligned(tensor.shape, tierGroupSize);
}

function payloadBytes(
  tensors: readonly PlannedTensor[],
  modules: Record<string, Width>,
  storage: FloatDtype,
): number {
  return sum(tensors, (tensor) =>
    sum(
      storedTensors(tensor, modules[modulePath(tensor)], storage),
      (stored) => elements(stored.shape) * bytesPerElement[stored.dtype]!,
    ),
  );
}

function sum<T>(items: readonly T[], value: (item: T, index: number) => number): number {
  return items.reduce((total, item, index) => total + value(item, index), 0);
}
