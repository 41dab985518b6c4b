import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../errors.ts";
import type { FloatDtype } from "../kernel/dtype.ts";
import { bytesPerElement } from "../kernel/dtype.ts";
import type { Width } from "../kernel/width.ts";
import type { Architecture } from "../models/architecture.ts";
import { elements, isAligned, modulePath, quantizedBytes, storedTensors } from "./format.ts";
import type { PlannedTensor, TierPlan } from "./plan-types.ts";
import { type Prices, planByPrices } from "./policy-measured.ts";
import { describePlan, planByRules } from "./policy-oq.ts";
import { type Tier, tierGroupSize } from "./tiers.ts";

export const policies = ["oq"] as const;
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
 * Plans one tier: by prices, where there are any, else by rules. Pure: the same shapes, config, scores and prices give the same plan.
 * Throws BAD_INPUT for a budget below the floors, BAD_MEASUREMENT for prices that are none.
 */
export function planTier(tier: Tier, input: PlanInput, prices: Prices | null = null): TierPlan {
  const quantizable = input.tensors.filter(isQuantizable);
  if (quantizable.length === 0) {
    throw new OqeError(
      "BAD_CHECKPOINT",
      `no tensor can be quantized: no input width is a multiple of ${tierGroupSize}`,
    );
  }
  const { widths, predicted, floors } =
    prices === null
      ? { widths: planRules(tier, quantizable, input), predicted: null, floors: null }
      : planByPrices(tier, quantizable, { storage: input.storage, layers: layerKinds(input), ...prices });
  const modules = Object.fromEntries(quantizable.map((tensor, i) => [modulePath(tensor), widths[i]!]));
  const parameters = sum(quantizable, (tensor) => elements(tensor.shape));
  const planned = sum(quantizable, (tensor, i) => quantizedBytes(tensor.shape, widths[i]!, input.storage));
  const bytes = payloadBytes(input.tensors, modules, input.storage);
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

function planRules(tier: Tier, quantizable: readonly PlannedTensor[], input: PlanInput): Width[] {
  return planByRules(tier, quantizable, {
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
  return tensor.role.treatment === "kept" ? (tensor.role.why ?? "kept") : reason;
}

export function isQuantizable(tensor: PlannedTensor): boolean {
  return tensor.role.treatment === "quantized" && isAligned(tensor.shape, tierGroupSize);
}

function payloadBytes(tensors: readonly PlannedTensor[], modules: Record<string, Width>, storage: FloatDtype): number {
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
