import { dirname, relative } from "node:path";
import type { Base } from "../base/base.ts";
import { evaluationWords } from "../card/evaluation-words.ts";
import { bitsPerWeight, grouped } from "../card/figures.ts";
import { licenceFiles } from "../card/inherit.ts";
import { kindRatios } from "../card/tuning-facts.ts";
import { EvaluationRide } from "../evaluation/evaluate.ts";
import { evaluateFolders, type TierFolder, withFolders } from "../evaluation/evaluate-folders.ts";
import type { Evaluation } from "../evaluation/evaluation-types.ts";
import { stockQuant } from "../evaluation/stock-quant.ts";
import { makeFolder, onDisk, requireRoom } from "../ground/disk.ts";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";
import type { Inputs } from "../inputs/inputs.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import type { KeptWeights } from "../models/kept-weights.ts";
import { Ops } from "../models/ops.ts";
import type { KeepBytes } from "../models/reread-weights.ts";
import type { KeepStates } from "../models/rider.ts";
import { tensorsOfPlan } from "../quantize/stored-tier.ts";
import { weightsToTune } from "../quantize/tune-series.ts";
import { tuningSettings } from "../quantize/tuning-settings.ts";
import type { Receipt } from "../receipt/receipt.ts";
import { writeReceipt } from "../receipt/receipt-file.ts";
import { completeReceipt, digestOf } from "../receipt/recipe.ts";
import { shareFigures } from "../receipt/series-figures.ts";
import { buildAside, refuseForeignFolder } from "./atomic-folder.ts";
import { type MadeTier, rehearseCard, writeCard } from "./card-files.ts";
import { findFinished, openWithStaged } from "./finished-tier.ts";
import { keptBytes } from "./kept-room.ts";
import { proveReads, stopParts, withWaitingBytes } from "./proven-reads.ts";
import type { TierDraft, TierRun } from "./recipes.ts";
import type { Calibration, DrawnRows } from "./rows.ts";
import { withStates } from "./state-store.ts";
import { openTarget, type Target, type TargetRequest } from "./tier-target.ts";
import type { TimeLimit } from "./time-limit.ts";
import { type Tuning, type WrittenTier, writeTiers } from "./write-tiers.ts";

/** Which folders a run may replace. */
export type PlaceInputs = Pick<Inputs, "baseModel" | "overwrite">;

/** Throws BAD_INPUT or NOT_OURS, before any work, for a place that must not be replaced. */
export async function checkPlaces(
  drafts: readonly TierDraft[],
  { baseModel, overwrite }: PlaceInputs,
): Promise<void> {
  for (const { place } of drafts) {
    if (baseModel.kind === "folder") refuseInsideBase(baseModel.path, place);
    await refuseForeignFolder(place, overwrite);
  }
}

/** Throws BAD_INPUT if a tier's folder would replace the base or lie inside it. */
function refuseInsideBase(base: string, place: string): void {
  const down = relative(base, place);
  const up = relative(place, base);
  if (down !== "" && down.startsWith("..") && up.startsWith("..")) return;
  throw new OqeError(
    "BAD_INPUT",
    `${place} overlaps with the base model's own folder ${base}`,
    "Choose an output or work folder outside the base model.",
  );
}

export interface FoldersRequest extends TargetRequest {
  readonly base: Base;
  readonly runs: readonly TierRun[];
  /** The inputs that say which folders may be replaced. */
  readonly replacing: PlaceInputs;
  readonly gates: Inputs["gates"];
  readonly rows: Calibration;
  /** Bytes of hidden states that may stay in memory between two blocks. */
  readonly memoryForStates: number;
  /** Whether riders on the base go through experts one after the other. Default: side by side. */
  readonly inTurn?: boolean;
  /** Bytes of the base that may wait in files to be hashed. Default: none. */
  readonly mostWaiting?: number;
  /** Bytes that the run needs on the disk at once. Default: those of all tiers. */
  readonly disk?: number;
  /** Receipts of tiers that need not be made: their figures are on the cards of the others. */
  readonly published?: readonly Receipt[] | undefined;
  readonly timeLimit: TimeLimit;
  readonly kernel: Kernel;
}

/**
 * Makes the folders of all tiers in one walk over the base. Either all folders are complete, with
 * receipt and card, or none exists. Throws TimeIsUp.
 */
export async function makeFolders(request: FoldersRequest): Promise<readonly MadeTier[]> {
  const { runs, replacing } = request;
  if (runs.length === 0) return [];
  for (const { recipe } of runs) await rehearseCard(recipe);
  await checkPlaces(runs, replacing);
  const parent = dirname(runs[0]!.place);
  const needed = request.disk ?? runs.reduce((sum, { recipe }) => sum + recipe.plan.bytes, 0);
  await onDisk(parent, needed, () => makeFolder(parent));
  await requireRoom([{ folder: parent, bytes: needed - (await keptBytes(runs, true)) }]);
  const isDurable = request.rows.tuning !== null;
  const builds = runs.map(({ place, recipe }) => {
    return { place, work: isDurable ? digestOf(recipe) : null };
  });
  return withFiles(request, (own) => {
    const fill = (folders: readonly string[]) =>
      onDisk(parent, needed, () => fillFolders(own, folders));
    return buildAside(builds, fill);
  });
}

/** Gives a request what keeps hidden states and weights beside its tiers, as long as `use` runs. */
export function withFiles<T>(
  request: FoldersRequest,
  use: (own: FillRequest) => Promise<T>,
): Promise<T> {
  const { runs, base, memoryForStates: memory, report } = request;
  return withStates({ folder: dirname(runs[0]!.place), memory, report }, (keep, weights) => {
    const own = { ...request, keep, keepWeights: request.inTurn === true ? weights : null };
    const waiting = { keep: weights, most: request.mostWaiting ?? 0 };
    return withWaitingBytes([base.checkpoint], waiting, () => use(own));
  });
}

/** The same, and what keeps hidden states between two blocks, and weights within one. */
export interface FillRequest extends FoldersRequest {
  readonly keep: KeepStates;
  readonly keepWeights: KeepBytes | null;
}

/** Brings every tier into its folder: made now, or finished by an earlier run. */
async function fillFolders(
  request: FillRequest,
  folders: readonly string[],
): Promise<readonly MadeTier[]> {
  const { runs, base, gates, report } = request;
  const known = new Map<TierRun, Receipt>();
  const targets: Target[] = [];
  for (const [i, run] of runs.entries()) {
    const place = { run, folder: folders[i]!, isTuned: request.rows.tuning !== null };
    const target = await openTarget(request, place);
    const receipt = await findFinished(run, { ...target, base, gates });
    if (receipt === null) targets.push(target);
    else {
      report.info(`${run.recipe.name}: finished by an earlier run`);
      known.set(run, receipt);
    }
  }
  const durable = request.rows.tuning === null ? [] : targets; // of others nothing is kept
  const make = () => makeTargets(request, targets).catch((error) => stopParts(durable, error));
  const made = targets.length === 0 ? [] : await make();
  for (const [i, { run }] of targets.entries()) known.set(run, made[i]!);
  const own = runs.map((run) => known.get(run)!);
  const receipts = shareFigures([...own, ...(request.published ?? [])]).slice(0, own.length);
  const finished: MadeTier[] = [];
  for (const [i, receipt] of receipts.entries()) {
    finished.push(await writeCard(folders[i]!, { receipt, notes: runs[i]!.notes }, report));
    tell(receipt, report);
  }
  return finished;
}

/** Writes weights and evaluates them, in one walk for all tiers. Gives their receipts. */
async function makeTargets(
  request: FillRequest,
  targets: readonly Target[],
): Promise<readonly Receipt[]> {
  const { rows, base, kernel } = request;
  const own = { ...request, runs: targets.map(({ run }) => run) };
  // A tuning walk takes the evaluation along. A rounding walk has no activations.
  const company =
    rows.tuning !== null && rows.evaluation !== null
      ? { ride: openRide(own, rows.evaluation), weights: weightsToTune(base, kernel) }
      : null;
  if (rows.tuning === null && rows.evaluation === null) base.checkpoint.expectOneReading();
  const written = await writeWeights(own, targets, company);
  const evaluations = await evaluateAll(own, targets, company);
  const proven = await proveReads(base.checkpoint, request.report);
  const verifiedBase = proven && { shards: proven.shards, bytes: proven.bytes };
  const verified = written.map((tier) => ({ ...tier, verifiedBase }));
  const receipts = completeReceipts(own, verified, evaluations);
  for (const [i, { staged }] of targets.entries()) await staged?.finish(writeReceipt(receipts[i]!));
  return receipts;
}

/** An evaluation that rides on a tuning walk, and the base's weights that both use. */
interface Company {
  readonly ride: EvaluationRide;
  readonly weights: KeptWeights;
}

function openRide(
  { base, runs, kernel, report, keep }: FillRequest,
  rows: DrawnRows,
): EvaluationRide {
  report.info(`evaluating on ${rows.rows.samples} rows of ${rows.rows.length} tokens`);
  const { architecture, config, tensors, storage } = base;
  const rounded = runs.map((run) =>
    isRounded(base, run) ? tensorsOfPlan(tensors, run.recipe.plan, storage) : null,
  );
  const hasRouters = architecture.experts(config) !== null;
  return new EvaluationRide({ rows, rounded, stock: stockQuant(base), hasRouters, kernel, keep });
}

/** Parameters up to which plain rounding is evaluated at the plan of every tier. */
const mostToRound = 4e9;

/**
 * Whether plain rounding is evaluated beside a tier. Of a large model: the smallest tier of the
 * series only, whichever tiers this run makes.
 */
export function isRounded({ parameters }: Pick<Base, "parameters">, { recipe }: TierRun): boolean {
  if (parameters <= mostToRound) return true;
  return recipe.series.every(({ bytes }) => bytes >= recipe.plan.bytes);
}

function writeWeights(
  request: FillRequest,
  targets: readonly Target[],
  company: Company | null,
): Promise<readonly WrittenTier[]> {
  const { base, runs, timeLimit, kernel, report } = request;
  const own = tuningOf(request);
  const beside = company && { company: { riders: company.ride, weights: company.weights } };
  const tuning = own && { ...own, ...beside };
  return writeTiers({
    base,
    plans: runs.map(({ recipe }) => recipe.plan),
    folders: targets.map(({ folder }) => folder),
    staged: targets.map(({ staged }) => staged),
    ahead: targets.map(({ ahead }) => ahead),
    licences: licenceFiles(base.checkpoint.repository),
    rounding: runs[0]!.recipe.options.rounding,
    tuning,
    isDurable: tuning !== null,
    timeLimit,
    kernel,
    report,
  });
}

/** The inputs of tuning; null: the tiers are rounded. */
export function tuningOf({ runs, rows, keep, keepWeights }: FillRequest): Tuning | null {
  const { options, sensitivity } = runs[0]!.recipe; // the same for all tiers of a run
  return (
    rows.tuning && {
      calibration: rows.tuning.rows,
      propagation: options.propagation!,
      repair: options.repair ?? [],
      settings: { ...tuningSettings, ...(sensitivity?.tied && { tiedMix: sensitivity.tied.mix }) },
      ...{ keep, keepWeights },
    }
  );
}

function completeReceipts(
  { runs }: FoldersRequest,
  written: readonly (WrittenTier & Pick<Receipt, "verifiedBase">)[],
  evaluations: readonly Evaluation[] | null,
): readonly Receipt[] {
  return written.map(({ relativeError, ...measured }, i) =>
    completeReceipt(runs[i]!.recipe, {
      ...measured,
      weightError: { relative: relativeError },
      evaluation: evaluations?.[i] ?? null,
    }),
  );
}

/** The evaluation of every folder; null if the run has none. */
async function evaluateAll(
  { base, rows: { evaluation }, gates, kernel, report, keep }: FillRequest,
  targets: readonly Target[],
  company: Company | null,
): Promise<readonly Evaluation[] | null> {
  if (evaluation === null) return null;
  const tiers: TierFolder[] = [];
  for (const { run, folder, staged } of targets) {
    const { tier, bpw, predicted } = run.recipe.plan;
    const repository = await openWithStaged(folder, staged);
    tiers.push({ tier, bpw, predicted, repository, rounded: isRounded(base, run) });
  }
  const request = { base, tiers, rows: evaluation, gates, kernel, report, keep };
  if (company === null) return evaluateFolders(request);
  const { architecture, config } = base;
  const model = { architecture, config, weights: company.weights, ops: new Ops(kernel) };
  return withFolders(tiers, request, (finished) => company.ride.finish(model, finished));
}

/** Reports a finished tier: its size, its losses, its evaluation and its warnings. */
function tell({ name, plan, tuning, evaluation, warnings }: Receipt, report: Report): void {
  report.info(`${name}: ${grouped(plan.bytes)} bytes, ${bitsPerWeight(plan.bpw)} bpw`);
  if (tuning !== null)
    report.info(`${name}: calibration loss, rounding = 1: ${kindRatios(tuning)}`);
  if (evaluation !== null) report.info(`${name}: ${evaluationWords(evaluation)}`);
  for (const warning of warnings) report.warn(`${name}: ${warning}`);
}
