import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import { sum } from "../ground/sum.ts";
import type { FloatDtype } from "../kernel/dtype.ts";
import type { Width } from "../kernel/width.ts";
import {
  elements,
  isAligned,
  modulePath,
  quantizedBytes,
  storedBytes,
  storedTensors,
} from "../mlx/format.ts";
import type { Architecture, PlannedTensor } from "../models/architecture.ts";
import { type CarriedPart, type CarriedTensor, carriedParts } from "../models/carried.ts";
import { keepsCodes } from "../models/source.ts";
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
  parametersOf,
  refuseBudget,
  resolveTier,
  type Sizes,
  type TierChoice,
  tooLarge,
  uniformBytes,
} from "./targets.ts";
import { type Tier, tierGroupSize, tiers } from "./tiers.ts";

/** `measured`: least predicted KL, from a sensitivity. `oq`: the rules of the published series. */
export const policies = ["measured", "oq"] as const;
export type Policy = (typeof policies)[number];

export interface PlanInput {
  readonly architecture: Architecture;
  readonly config: ModelConfig;
  readonly tensors: readonly PlannedTensor[];
  readonly storage: FloatDtype;
  /** Copies of the base's tensors, which count in the size of files only. Default: none. */
  readonly carried?: readonly CarriedTensor[];
  /** Sensitivity of each layer, for the rules. Default: all equal, as for the published series. */
  readonly scores?: readonly number[];
}

/** A tier to plan, and the sizes that its budget follows from. */
interface TierBudget {
  readonly tier: Tier;
  /** Whether it is a tier of the series, not a target that a user gave. */
  readonly isOfSeries: boolean;
  readonly sizes: Sizes;
  readonly input: PlanInput;
}

/**
 * Plans a tier of the series or a target. With a `basis` it uses the measured costs, else the
 * rules. Pure: the same arguments give the same plan. Throws BAD_INPUT for a budget below the
 * floors, BAD_SENSITIVITY for costs without information.
 */
export function planTier(
  choice: TierChoice,
  input: PlanInput,
  basis: PlanBasis | null = null,
): TierPlan {
  const { storage } = input;
  const sizes = sizesOf(input, basis === null ? ruleBits : measuredBits);
  const { quantizable } = sizes;
  const tier = resolveTier(choice, sizes);
  const task = { tier, isOfSeries: "bits" in choice, sizes, input };
  const { widths, predicted, floors, floorCosts, budgetBpw } =
    basis === null
      ? {
          ...{ widths: planRules(task), predicted: null, floors: null, floorCosts: null },
          budgetBpw: tier.capBpw,
        }
      : planMeasured(task, basis);
  const modules = Object.fromEntries(
    quantizable.map((tensor, i) => [modulePath(tensor), widths[i]!]),
  );
  const parameters = sum(quantizable, (tensor) => elements(tensor.shape));
  const planned = quantizedTotal(quantizable, widths, storage);
  const bytes = payloadBytes(input.tensors, modules, storage);
  const carried = carriedBytes(input);
  return {
    tier: tier.name,
    targetBpw: tier.targetBpw,
    budgetBpw,
    bpw: (8 * planned) / parameters,
    fileBpw: (8 * bytes) / sum(input.tensors, (tensor) => elements(tensor.shape)),
    bytes: bytes + sum(Object.values(carried), Number),
    ...(Object.keys(carried).length > 0 && { carried }),
    ...describePlan(tier, widths),
    predicted,
    floors,
    floorCosts,
    modules,
  };
}

/**
 * A tier of the series takes no more bytes than its plan by rules does on the same model, so that
 * the two policies compare at equal size. The exception: floors and codes of the base need more.
 */
function planMeasured(
  task: TierBudget,
  basis: PlanBasis,
): MeasuredChoice & { readonly budgetBpw: number } {
  const { tier, isOfSeries, sizes, input } = task;
  const context = { ...sizes, layers: layerKinds(input), ...basis };
  const byCosts = (capped: Tier) => ({
    ...planByCosts(capped, context),
    budgetBpw: (8 * budgetBytes(capped, sizes)) / parametersOf(sizes),
  });
  if (!isOfSeries) return byCosts(tier);
  const byRules = quantizedTotal(sizes.quantizable, planRules(task), input.storage);
  return byCosts(capTier(tier, Math.max(byRules, floorBytes(context, "kept")), sizes));
}

function quantizedTotal(
  tensors: readonly PlannedTensor[],
  widths: readonly Width[],
  storage: FloatDtype,
): number {
  return sum(tensors, (tensor, i) => quantizedBytes(tensor.shape, widths[i]!, storage));
}

/**
 * Throws BAD_INPUT if even the smallest plan exceeds a tier's budget. `floors` null: by rules.
 * Gives a warning for a target that no plan reaches; else null.
 */
export function requireBudget(
  choice: TierChoice,
  input: PlanInput,
  floors: Floors | null,
): string | null {
  const sizes = sizesOf(input, floors === null ? ruleBits : measuredBits);
  const tier = resolveTier(choice, sizes);
  if (floors !== null) requireFloors(tier, { ...sizes, layers: layerKinds(input), floors });
  else requireLeast(tier, sizes);
  return tooLarge(choice, sizes);
}

function sizesOf(input: PlanInput, widths: Sizes["widths"]): Sizes {
  const { tensors, storage } = input;
  const quantizable = tensors.filter(isQuantizable);
  if (quantizable.length === 0) {
    throw new OqeError(
      "BAD_CHECKPOINT",
      `no tensor can be quantized: no matrix has a multiple of ${tierGroupSize} columns`,
    );
  }
  const others = tensors.filter((tensor) => !isQuantizable(tensor));
  const unquantizedBytes =
    payloadBytes(others, {}, storage) + sum(Object.values(carriedBytes(input)), Number);
  return { quantizable, unquantizedBytes, storage, widths };
}

/** Bytes of the parts that a tier carries, by part. */
function carriedBytes({ carried = [] }: PlanInput): Partial<Record<CarriedPart, number>> {
  const bytes = carriedParts.map((part) => {
    const own = carried.filter((tensor) => tensor.part === part);
    return [part, sum(own, storedBytes)] as const;
  });
  return Object.fromEntries(bytes.filter(([, size]) => size > 0));
}

function requireLeast(tier: Tier, sizes: Sizes): void {
  const least = uniformBytes(ruleBits[0], sizes);
  if (least > budgetBytes(tier, sizes))
    throw refuseBudget(
      tier,
      { bytes: least, limits: `${ruleBits[0]} bits throughout`, hasFloors: false },
      sizes,
    );
}

/**
 * The widths by rules. The rules fill a budget of affine widths. Where codes of the base are kept,
 * they would give a smaller tier of the series more bits outside them than a larger one. So there
 * no module has more bits than in the next larger tier.
 */
function planRules(task: TierBudget): Width[] {
  const { tier, isOfSeries, sizes, input } = task;
  requireLeast(tier, sizes);
  const own = planByRules(tier, sizes.quantizable, {
    storage: input.storage,
    countsAsMoe: input.architecture.countsAsMoe,
    scores: input.scores ?? Array<number>(layerKinds(input).length).fill(0),
  });
  const larger = tiers[tiers.findIndex(({ name }) => name === tier.name) - 1];
  if (!isOfSeries || larger === undefined || !sizes.quantizable.some(keepsCodes)) return own;
  const most = planRules({ ...task, tier: larger });
  return own.map((width, i) => (width.bits > most[i]!.bits ? most[i]! : width));
}

function layerKinds({ architecture, config }: PlanInput) {
  return architecture.layers(config);
}

/** The tensors that no tier quantizes -> the reason. */
export function unquantizedTensors(tensors: readonly PlannedTensor[]): Record<string, string> {
  const others = tensors.filter((tensor) => !isQuantizable(tensor));
  return Object.fromEntries(others.map((tensor) => [tensor.name, reasonOf(tensor)]));
}

function reasonOf({ role, shape }: PlannedTensor): string {
  return role.treatment === "unquantized"
    ? (role.why ?? "unquantized")
    : `${shape.at(-1)} columns are not a multiple of the group size ${tierGroupSize}`;
}

/** Whether tiers quantize the tensor: its role says so, and its rows are whole groups. */
export function isQuantizable(tensor: PlannedTensor): boolean {
  return tensor.role.treatment === "quantized" && isAligned(tensor.shape, tierGroupSize);
}

function payloadBytes(
  tensors: readonly PlannedTensor[],
  modules: Record<string, Width>,
  storage: FloatDtype,
): number {
  return sum(tensors, (tensor) =>
    sum(storedTensors(tensor, modules[modulePath(tensor)], storage), storedBytes),
  );
}
