import { writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import type { Base } from "../base/base.ts";
import { evaluationWords } from "../card/evaluation-words.ts";
import { bitsPerWeight, grouped } from "../card/figures.ts";
import { licenceFiles } from "../card/inherit.ts";
import { kindRatios } from "../card/tuning-facts.ts";
import { evaluateFolders } from "../evaluation/evaluate-folders.ts";
import { makeFolder, requireDiskSpace } from "../ground/disk.ts";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";
import type { Inputs } from "../inputs/inputs.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { tuningSettings } from "../quantize/tuning-settings.ts";
import { type Receipt, receiptPath } from "../receipt/receipt.ts";
import { writeReceipt } from "../receipt/receipt-file.ts";
import { completeReceipt } from "../receipt/recipe.ts";
import { shareFigures } from "../receipt/series-figures.ts";
import { buildAside, onDisk, refuseForeignFolder } from "./atomic-folder.ts";
import { rehearseCard, writeCard } from "./card-files.ts";
import type { TierDraft, TierRun } from "./recipes.ts";
import type { Calibration, DrawnRows } from "./rows.ts";
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

export interface FoldersRequest {
  readonly base: Base;
  readonly runs: readonly TierRun[];
  readonly inputs: PlaceInputs & Pick<Inputs, "rounding" | "propagation" | "gates">;
  readonly rows: Calibration;
  readonly kernel: Kernel;
  readonly report: Report;
}

/**
 * Makes the folders of all tiers in one walk over the base. Either all folders are complete, with
 * receipt and card, or none exists. Gives the receipts.
 */
export async function makeFolders(request: FoldersRequest): Promise<readonly Receipt[]> {
  const { runs, inputs } = request;
  if (runs.length === 0) return [];
  for (const { recipe } of runs) await rehearseCard(recipe);
  await checkPlaces(runs, inputs);
  const parent = dirname(runs[0]!.place);
  const needed = runs.reduce((sum, { recipe }) => sum + recipe.plan.bytes, 0);
  await onDisk(parent, needed, () => makeFolder(parent));
  await requireDiskSpace(parent, needed);
  const places = runs.map(({ place }) => place);
  return buildAside(places, (folders) =>
    onDisk(parent, needed, () => fillFolders(request, folders)),
  );
}

/** Writes weights, evaluation, receipts and cards into empty folders, one per tier. */
async function fillFolders(
  request: FoldersRequest,
  folders: readonly string[],
): Promise<readonly Receipt[]> {
  const written = await writeWeights(request, folders);
  const receipts = await completeReceipts(request, folders, written);
  for (const [i, receipt] of receipts.entries()) {
    await writeFile(join(folders[i]!, receiptPath), writeReceipt(receipt));
    await writeCard(folders[i]!, receipt, request.report);
    tell(receipt, request.report);
  }
  return receipts;
}

function writeWeights(
  { base, runs, inputs, rows, kernel, report }: FoldersRequest,
  folders: readonly string[],
): Promise<readonly WrittenTier[]> {
  const { options } = runs[0]!.recipe; // the same for all tiers of a run
  const tuning: Tuning | null = rows.tuning && {
    calibration: rows.tuning.rows,
    propagation: inputs.propagation,
    repair: options.repair ?? [],
    settings: tuningSettings,
  };
  return writeTiers({
    base,
    plans: runs.map(({ recipe }) => recipe.plan),
    folders,
    licences: licenceFiles(base.checkpoint.repository),
    rounding: inputs.rounding,
    tuning,
    kernel,
    report,
  });
}

async function completeReceipts(
  request: FoldersRequest,
  folders: readonly string[],
  written: readonly WrittenTier[],
): Promise<readonly Receipt[]> {
  const { evaluation } = request.rows;
  const evaluations = evaluation && (await evaluateAll(request, folders, evaluation));
  const complete = written.map(({ relativeError, ...measured }, i) =>
    completeReceipt(request.runs[i]!.recipe, {
      ...measured,
      weightError: { relative: relativeError },
      evaluation: evaluations?.[i] ?? null,
    }),
  );
  return shareFigures(complete);
}

function evaluateAll(
  { base, runs, inputs, kernel, report }: FoldersRequest,
  folders: readonly string[],
  evaluation: DrawnRows,
) {
  const finished = runs.map(({ recipe }, i) => ({ ...recipe.plan, folder: folders[i]! }));
  const { gates } = inputs;
  return evaluateFolders({ base, tiers: finished, evaluation, gates, kernel, report });
}

/** Reports a finished tier: its size, its losses, its evaluation and its warnings. */
function tell({ name, plan, tuning, evaluation, warnings }: Receipt, report: Report): void {
  report.info(`${name}: ${grouped(plan.bytes)} bytes, ${bitsPerWeight(plan.bpw)} bpw`);
  if (tuning !== null)
    report.info(`${name}: calibration loss, rounding = 1: ${kindRatios(tuning)}`);
  if (evaluation !== null) report.info(`${name}: ${evaluationWords(evaluation)}`);
  for (const warning of warnings) report.warn(`${name}: ${warning}`);
}
