import { join } from "node:path";
import { type Base, type BaseOptions, describeConfigChanges, readBase } from "../base/base.ts";
import type { CodedBase } from "../base/coded-base.ts";
import { describeModel } from "../base/model-facts.ts";
import { inheritFrom } from "../card/inherit.ts";
import { readUsage } from "../card/usage.ts";
import { openFolder } from "../checkpoint/folder.ts";
import type { Repository } from "../checkpoint/repository.ts";
import { verifyFiles } from "../checkpoint/verified-files.ts";
import { byteSize } from "../ground/digits.ts";
import { engine } from "../ground/engine.ts";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";
import type { Hub } from "../hub/hub-types.ts";
import type { ModelReference } from "../inputs/input-values.ts";
import type { Inputs, PlanInputs } from "../inputs/inputs.ts";
import { carriedParts } from "../models/carried.ts";
import { planTier, requireBudget, unquantizedTensors } from "../plan/plan.ts";
import type { Floors, SeriesPlan, TierPlan } from "../plan/plan-types.ts";
import { warningsOfSame } from "../plan/same-plans.ts";
import type { Sensitivity } from "../plan/sensitivity-types.ts";
import { tiers } from "../plan/tiers.ts";
import type { Repair } from "../quantize/tuning-record.ts";
import type { SeriesRow } from "../receipt/receipt.ts";
import type { Draft, Recipe } from "../receipt/recipe.ts";
import { describeSensitivity } from "../receipt/sensitivity-record.ts";
import type { Calibration } from "./rows.ts";
import { checkTierName, tierName } from "./tier-names.ts";
import { requireTokenizer } from "./write-tiers.ts";

/** A tier to be made: its recipe without the plan, and the place of its folder. */
export interface TierDraft {
  readonly tier: string;
  readonly recipe: Draft;
  readonly place: string;
  /** What people wrote in the card on main, which the new card keeps. Default: nothing. */
  readonly notes?: string;
}

/** The same with its plan. */
export interface TierRun extends TierDraft {
  readonly recipe: Recipe;
}

/** The target of drafted tiers, and other values that their recipes name. */
export interface DraftTarget {
  readonly folder: string;
  /** null: the tiers are written, but not published. */
  readonly namespace: string | null;
  readonly kernelSha256: string;
  /** Of the sensitivity file; null: none was given. */
  readonly sensitivitySha256: string | null;
  /** `org/name@commit` of the measured proxy; null: the base is measured. */
  readonly proxyName: string | null;
}

/** The inputs that recipes record. */
export type RecipeInputs = PlanInputs &
  Pick<
    Inputs,
    | ("method" | "propagation" | "repair" | "rounding" | "domainWeights")
    | ("engineRepository" | "engineRef")
  >;

/** Opens a base at one fixed state and checks it against its role table. */
export async function openBase(
  model: ModelReference,
  connect: () => Hub,
  options: Pick<BaseOptions, "allowHeaderOnly" | "carry" | "loader">,
): Promise<Base> {
  return readBase(await openRepository(model, connect), options);
}

/** A folder, or a commit of the Hub whose files are verified (verified-files.ts). */
export async function openRepository(
  model: ModelReference,
  connect: () => Hub,
): Promise<Repository> {
  if (model.kind === "folder") return openFolder(model.path);
  return verifyFiles(await connect().open(model.id, model.revision));
}

/** The tiers of `inputs`, with places below the target's folder. Nothing is measured yet. */
export async function draftTiers(
  base: Base,
  inputs: RecipeInputs,
  rows: Calibration,
  target: DraftTarget,
): Promise<readonly TierDraft[]> {
  requireTokenizer(base.checkpoint.repository);
  const shared = await sharedRecipe(base, inputs, rows, target);
  return inputs.tiers.map((tier) => {
    const name = tierName(base.checkpoint.repository.name, tier.name);
    const repository = checkTierName(name, target.namespace);
    const recipe = { ...shared, repository, name };
    return { tier: tier.name, recipe, place: join(target.folder, name) };
  });
}

/** The part of the recipe that all tiers of a run share. */
async function sharedRecipe(
  base: Base,
  inputs: RecipeInputs,
  { tuning, evaluation }: Calibration,
  target: DraftTarget,
): Promise<Omit<Draft, "repository" | "name">> {
  const { repository } = base.checkpoint;
  const { id, name, revision } = repository;
  const model = describeModel(base);
  const isTuned = inputs.method === "tuned";
  return {
    format: 1,
    engine: {
      ...{ ...engine, kernelSha256: target.kernelSha256 },
      repository: inputs.engineRepository,
      ...(inputs.engineRef !== null && { ref: inputs.engineRef }),
    },
    base: { id, name, revision, inherited: await inheritFrom(repository) },
    model,
    usage: await readUsage(repository),
    options: {
      method: inputs.method,
      propagation: isTuned ? inputs.propagation : null,
      repair: isTuned ? repairsOf(inputs.repair, model.experts !== null) : null,
      rounding: inputs.rounding,
      ...planningOptions(inputs, target),
      storage: base.storage,
      ...carriedOptions(base),
      ...(base.architecture.loader !== undefined && { loader: base.architecture.loader }),
    },
    calibration: tuning?.record ?? null,
    evaluationRows: evaluation?.record ?? null,
    ...(evaluation?.wikitext && { wikitextRows: evaluation.wikitext.record }),
    unquantized: unquantizedTensors(base.tensors),
    configNotes: describeConfigChanges(base),
  };
}

/** Parts beside the language model; of a base without any, nothing. */
function carriedOptions({ carried, leftOut }: Base) {
  const carry = carriedParts.filter((name) => carried.some(({ part }) => part === name));
  if (carry.length + leftOut.length === 0) return {};
  return { carry, ...(leftOut.length > 0 && { leftOut }) };
}

/** The chosen repairs that apply to the model. */
function repairsOf(repair: readonly Repair[], hasRouters: boolean): readonly Repair[] {
  return repair.filter((name) => name === "residual" || hasRouters);
}

/** A plan follows from these values, base, rows and engine. */
function planningOptions(
  { policy, floors, domainWeights }: RecipeInputs,
  { sensitivitySha256, proxyName }: DraftTarget,
) {
  if (policy === "oq")
    return { policy, floors: null, domainWeights: null, proxy: null, sensitivity: null };
  return { policy, floors, domainWeights, proxy: proxyName, sensitivity: sensitivitySha256 };
}

/**
 * Throws BAD_INPUT if a tier's budget is below its floors, and warns of one that no plan reaches.
 * This needs no sensitivity.
 */
export function requireBudgets(
  base: Base,
  { policy, tiers: choices, floors }: PlanInputs,
  report: Pick<Report, "warn">,
): void {
  for (const choice of choices) {
    const warning = requireBudget(choice, base, policy === "measured" ? floors : null);
    if (warning !== null) report.warn(warning);
  }
  if (base.coded !== null)
    warnOfLarger(
      base.coded,
      choices.map((one) => planTier(one, base)),
      report,
    );
}

/** Warns of tiers that are larger than a base whose weights are published as codes. */
function warnOfLarger(
  { publishedBytes }: CodedBase,
  plans: readonly TierPlan[],
  report: Pick<Report, "warn">,
): void {
  const larger = plans.filter(({ bytes }) => bytes > publishedBytes);
  if (larger.length === 0) return;
  const sizes = larger.map(({ tier, bytes }) => `${tier} ${byteSize(bytes)}`).join(", ");
  report.warn(
    `larger than the base as published, ${byteSize(publishedBytes)}: ${sizes}. ` +
      "Their further bits add nothing to weights that are codes already",
  );
}

/**
 * Plans every tier of `inputs`. Without a sensitivity the fixed rules decide. Warns a `report` of
 * tiers that have the same plan.
 */
export function makePlan(
  base: Base,
  { tiers: choices, policy, floors }: PlanInputs,
  sensitivity: Sensitivity | null,
  report?: Pick<Report, "warn">,
): SeriesPlan {
  const costs = sensitivity && { sensitivity, floors };
  const planned = choices.map((tier) => planTier(tier, base, costs));
  if (report !== undefined) for (const words of warningsOfSame(planned)) report.warn(words);
  return seriesPlan(base, policy, planned);
}

/** A series plan of tiers that are planned already. */
export function seriesPlan(
  base: Base,
  policy: PlanInputs["policy"],
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

/** A series plan and its sources. */
export interface PlannedSeries {
  readonly base: Base;
  readonly floors: Floors;
  readonly plan: SeriesPlan;
  /** null: planned by fixed rules. */
  readonly sensitivity: Sensitivity | null;
}

/** Completes the drafts with their plans. */
export function planDrafts(
  drafts: readonly TierDraft[],
  series: PlannedSeries,
): readonly TierRun[] {
  const sensitivity = series.sensitivity && describeSensitivity(series.sensitivity);
  const rows = seriesRows(series);
  return drafts.map((draft) => {
    const plan = series.plan.tiers.find(({ tier }) => tier === draft.tier)!;
    const isCustom = !rows.some(({ tier }) => tier === draft.tier);
    const own = isCustom ? [...rows, rowOf(plan)] : rows;
    return { ...draft, recipe: { ...draft.recipe, plan, series: own, sensitivity } };
  });
}

/**
 * A row for every tier of the series, also tiers that this run does not make. So four runs of one
 * tier each give the same cards as one run of four. A tier whose budget is below the floors has no
 * row.
 */
function seriesRows({ base, floors, plan, sensitivity }: PlannedSeries): SeriesRow[] {
  const costs = sensitivity && { sensitivity, floors };
  return tiers.flatMap((tier) => {
    const made = plan.tiers.find((one) => one.tier === tier.name);
    if (made !== undefined) return [rowOf(made)];
    try {
      return [rowOf(planTier(tier, base, costs))];
    } catch (error) {
      if (error instanceof OqeError && error.code === "BAD_INPUT") return [];
      throw error;
    }
  });
}

function rowOf({ modules: _, ...row }: TierPlan): SeriesRow {
  return row;
}

/** Throws BAD_CHECKPOINT for a base that has headers and no weights. */
export function requireWeights({ checkpoint }: Base): void {
  if (!checkpoint.headerOnly) return;
  throw new OqeError(
    "BAD_CHECKPOINT",
    `${checkpoint.repository.name} has headers without weights: only policy oq can plan from them`,
    "Set policy oq, or download the whole model.",
  );
}
