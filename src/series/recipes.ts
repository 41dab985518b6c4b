import { join } from "node:path";
import { type Base, describeConfigChanges, readBase } from "../base/base.ts";
import { describeModel } from "../base/model-facts.ts";
import { inheritFrom } from "../card/inherit.ts";
import { openFolder } from "../checkpoint/folder.ts";
import type { Repository } from "../checkpoint/repository.ts";
import { engine } from "../ground/engine.ts";
import { OqeError } from "../ground/errors.ts";
import type { Hub } from "../hub/hub-types.ts";
import { checkRepositoryName } from "../hub/names.ts";
import type { ModelReference } from "../inputs/input-values.ts";
import type { Inputs } from "../inputs/inputs.ts";
import { planTier, requireBudget, unquantizedTensors } from "../plan/plan.ts";
import type { SeriesPlan, TierPlan } from "../plan/plan-types.ts";
import type { Sensitivity } from "../plan/sensitivity-types.ts";
import { stripSuffixes, tiers } from "../plan/tiers.ts";
import type { Repair } from "../quantize/tuning-record.ts";
import type { SeriesRow } from "../receipt/receipt.ts";
import type { Draft, Recipe } from "../receipt/recipe.ts";
import { describeSensitivity } from "../receipt/sensitivity-record.ts";
import type { Calibration } from "./rows.ts";
import { requireTokenizer } from "./write-tiers.ts";

/** A tier that is asked for: its recipe but for the plan, which may have to be measured first, and the place of its folder. */
export interface Order {
  readonly tier: string;
  readonly recipe: Draft;
  readonly place: string;
}

/** The same with its plan. */
export interface Job extends Order {
  readonly recipe: Recipe;
}

/** Where orders go to, and what else their recipes name. */
export interface Target {
  readonly folder: string;
  /** null: the tiers are written, not published. */
  readonly namespace: string | null;
  readonly kernelSha256: string;
  /** Of the measurement's file; null where none was given. */
  readonly sensitivitySha256: string | null;
  /** `org/name@commit`; null: the base is measured itself. */
  readonly proxyName: string | null;
}

/** Opens the base at one fixed state and holds it against its role table. */
export async function openBase(
  inputs: Inputs,
  connect: () => Hub,
  options: { allowHeaderOnly: boolean },
): Promise<Base> {
  return readBase(await openRepository(inputs.baseModel, connect), options);
}

export function openRepository(model: ModelReference, connect: () => Hub): Promise<Repository> {
  return model.kind === "folder"
    ? openFolder(model.path)
    : connect().open(model.id, model.revision);
}

/** Name of a tier's repository, without namespace: `<Model>-<tier>`. */
export function tierName(modelName: string, tier: string): string {
  return `${stripSuffixes(modelName)}-${tier}`;
}

/** What is ordered, with places below the target's folder. Nothing is measured yet. */
export async function placeOrders(
  base: Base,
  inputs: Inputs,
  { tuning, evaluation }: Calibration,
  target: Target,
): Promise<readonly Order[]> {
  const { repository } = base.checkpoint;
  requireTokenizer(repository);
  const inherited = await inheritFrom(repository);
  const model = describeModel(base);
  const configNotes = describeConfigChanges(base);
  const kept = unquantizedTensors(base.tensors);
  return inputs.tiers.map((tier) => {
    const name = tierName(repository.name, tier.name);
    checkRepositoryName(target.namespace ?? "folder", name);
    const recipe: Draft = {
      format: 1,
      engine: { ...engine, kernelSha256: target.kernelSha256 },
      base: { id: repository.id, name: repository.name, revision: repository.revision, inherited },
      model,
      options: {
        method: inputs.method,
        propagation: inputs.method === "tuned" ? inputs.propagation : null,
        repair: inputs.method === "tuned" ? repairsOf(inputs, model.experts !== null) : null,
        rounding: inputs.rounding,
        ...planningOptions(inputs, target),
        storage: base.storage,
      },
      calibration: tuning?.record ?? null,
      evaluationRows: evaluation?.record ?? null,
      repository: target.namespace === null ? name : `${target.namespace}/${name}`,
      name,
      kept,
      configNotes,
    };
    return { tier: tier.name, recipe, place: join(target.folder, name) };
  });
}

/** Those of the asked repairs that the model has something for. */
function repairsOf({ repair }: Inputs, hasRouters: boolean): readonly Repair[] {
  return repair.filter((name) => name === "residual" || hasRouters);
}

/** With base, rows and engine all that a plan follows from. */
function planningOptions(
  { policy, floors, domainWeights }: Inputs,
  { sensitivitySha256, proxyName }: Target,
) {
  if (policy === "oq")
    return { policy, floors: null, domainWeights: null, proxy: null, sensitivity: null };
  return { policy, floors, domainWeights, proxy: proxyName, sensitivity: sensitivitySha256 };
}

/** Throws BAD_INPUT where a tier's budget is below its floors: known without prices. */
export function requireBudgets(base: Base, { policy, tiers: choices, floors }: Inputs): void {
  for (const choice of choices) requireBudget(choice, base, policy === "measured" ? floors : null);
}

/** Plans every tier that is asked for: by rules where there is no measurement. */
export function makePlan(base: Base, inputs: Inputs, sensitivity: Sensitivity | null): SeriesPlan {
  const prices = sensitivity && { sensitivity, floors: inputs.floors };
  return seriesPlan(
    base,
    inputs,
    inputs.tiers.map((tier) => planTier(tier, base, prices)),
  );
}

/** A series plan of tiers that are planned already. */
export function seriesPlan(
  base: Base,
  { policy }: Inputs,
  planned: readonly TierPlan[],
): SeriesPlan {
  const { id, name, revision } = base.checkpoint.repository;
  return {
    model: id ?? name,
    revision,
    policy,
    tiers: planned,
    unquantized: unquantizedTensors(base.tensors),
  };
}

/** Orders with their plans, as jobs. */
export function planOrders(
  base: Base,
  orders: readonly Order[],
  inputs: Inputs,
  plan: SeriesPlan,
  measured: Sensitivity | null,
): readonly Job[] {
  const sensitivity = measured && describeSensitivity(measured);
  const standard = seriesRows(base, inputs, plan, measured);
  return orders.map((order) => {
    const own = plan.tiers.find(({ tier }) => tier === order.tier)!;
    const series = standard.some(({ tier }) => tier === order.tier)
      ? standard
      : [...standard, rowOf(own)];
    return { ...order, recipe: { ...order.recipe, plan: own, series, sensitivity } };
  });
}

/**
 * A row for every tier of the series. A tier's card then does not depend on which others its run makes, so that four jobs of one
 * tier each write what one job writes. A tier whose budget is below the floors has none.
 */
function seriesRows(
  base: Base,
  inputs: Inputs,
  plan: SeriesPlan,
  sensitivity: Sensitivity | null,
): SeriesRow[] {
  const prices = sensitivity && { sensitivity, floors: inputs.floors };
  return tiers.flatMap((tier) => {
    const made = plan.tiers.find((one) => one.tier === tier.name);
    if (made !== undefined) return [rowOf(made)];
    try {
      return [rowOf(planTier(tier, base, prices))];
    } catch (error) {
      if (error instanceof OqeError && error.code === "BAD_INPUT") return [];
      throw error;
    }
  });
}

function rowOf({ modules: _, ...row }: TierPlan): SeriesRow {
  return row;
}
