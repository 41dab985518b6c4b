import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import type { Base } from "../base/base.ts";
import { evaluationWords } from "../card/evaluation-words.ts";
import { bitsPerWeight, grouped } from "../card/figures.ts";
import { licenceFiles } from "../card/inherit.ts";
import { drawPictures, picturePaths } from "../card/pictures.ts";
import { renderCard } from "../card/render.ts";
import { kindRatios } from "../card/tuning-facts.ts";
import { evaluateFolders } from "../evaluation/evaluate-folders.ts";
import { requireRoom } from "../ground/disk.ts";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";
import type { Inputs } from "../inputs/inputs.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { criticalExpertsOf } from "../quantize/critical-experts.ts";
import { tuningSettings } from "../quantize/tuning-settings.ts";
import { type Receipt, receiptPath } from "../receipt/receipt.ts";
import { parseReceipt, writeReceipt } from "../receipt/receipt-file.ts";
import { blankEvaluation, blankTuning, completeReceipt } from "../receipt/recipe.ts";
import { shareFigures } from "../receipt/series-figures.ts";
import { buildAside, onDisk, refuseForeignFolder } from "./atomic-folder.ts";
import type { Job, Order } from "./recipes.ts";
import type { Calibration } from "./rows.ts";
import { writeTiers } from "./write-tiers.ts";

/** The card with nothing measured yet: what receipt, template or Hub refuse of it is refused before hours of work. */
export async function rehearseCard({ recipe }: Pick<Job, "recipe">): Promise<string> {
  const unmeasured = { files: {}, weightError: { relative: 0 }, warnings: [] };
  const blank = { ...unmeasured, tuning: blankTuning(recipe), evaluation: blankEvaluation(recipe) };
  const receipt = completeReceipt(recipe, blank);
  return renderCard(parseReceipt(writeReceipt(receipt), receipt.name));
}

/** Throws BAD_INPUT or NOT_OURS where a folder would replace what is not ours: before any work. */
export async function checkPlaces(orders: readonly Order[], inputs: Inputs): Promise<void> {
  const places = orders.map((order) => order.place);
  refuseInsideBase(inputs, places);
  for (const place of places) await refuseForeignFolder(place, inputs.overwrite);
}

/** Throws BAD_INPUT where a tier's folder would replace the base or lie inside of it. */
function refuseInsideBase({ baseModel }: Inputs, places: readonly string[]): void {
  if (baseModel.kind !== "folder") return;
  for (const place of places) {
    const down = relative(baseModel.path, place);
    const up = relative(place, baseModel.path);
    if (down === "" || !down.startsWith("..") || !up.startsWith("..")) {
      throw new OqeError(
        "BAD_INPUT",
        `${place} overlaps with the base model's own folder ${baseModel.path}`,
        "Choose an output or work folder outside of the base model.",
      );
    }
  }
}

/** Makes the folders of all jobs in one walk over the base, each complete with receipt and card, or none at all; gives the receipts. */
export async function makeFolders(
  base: Base,
  jobs: readonly Job[],
  inputs: Inputs,
  calibration: Calibration,
  dependencies: { readonly report: Report; readonly kernel: Kernel },
): Promise<readonly Receipt[]> {
  if (jobs.length === 0) return [];
  for (const job of jobs) await rehearseCard(job);
  await checkPlaces(jobs, inputs);
  const places = jobs.map((job) => job.place);
  const parent = dirname(places[0]!);
  const needed = jobs.reduce((sum, job) => sum + job.recipe.plan.bytes, 0);
  await onDisk(parent, needed, () => mkdir(parent, { recursive: true }));
  await requireRoom(parent, needed);
  const licences = licenceFiles(base.checkpoint.repository);
  return buildAside(places, (folders) =>
    onDisk(parent, needed, async () => {
      const plans = jobs.map((job) => job.recipe.plan);
      const { rounding, propagation } = inputs;
      const repair = jobs[0]!.recipe.options.repair ?? [];
      const tuning = calibration.tuning && {
        calibration: calibration.tuning.rows,
        propagation,
        critical: criticalExpertsOf(jobs[0]!.recipe.sensitivity),
        repair,
        settings: tuningSettings,
      };
      const written = await writeTiers({
        base,
        plans,
        folders,
        licences,
        rounding,
        tuning,
        ...dependencies,
      });
      const finished = plans.map((plan, i) => ({ ...plan, folder: folders[i]! }));
      const { evaluation } = calibration;
      const { gates } = inputs;
      const evaluations =
        evaluation &&
        (await evaluateFolders({ base, tiers: finished, evaluation, gates, ...dependencies }));
      const complete = written.map(({ relativeError, ...measured }, i) => {
        const weightError = { relative: relativeError };
        return completeReceipt(jobs[i]!.recipe, {
          ...measured,
          weightError,
          evaluation: evaluations?.[i] ?? null,
        });
      });
      const receipts = shareFigures(complete);
      for (const [i, receipt] of receipts.entries()) {
        await writeFile(join(folders[i]!, receiptPath), writeReceipt(receipt));
        await writeCard(folders[i]!, receipt);
        tell(receipt, dependencies.report);
      }
      return receipts;
    }),
  );
}

/** One line on a finished tier, one more where it was tuned and where it was measured, and its warnings. */
function tell({ name, plan, tuning, evaluation, warnings }: Receipt, report: Report): void {
  report.info(`${name}: ${grouped(plan.bytes)} bytes, ${bitsPerWeight(plan.bpw)} bpw`);
  if (tuning !== null)
    report.info(`${name}: calibration loss, rounding = 1: ${kindRatios(tuning)}`);
  if (evaluation !== null) report.info(`${name}: ${evaluationWords(evaluation)}`);
  for (const warning of warnings) report.warn(`${name}: ${warning}`);
}

/** Reads the receipt of a finished folder. */
export async function readReceipt(folder: string): Promise<Receipt> {
  const path = join(folder, receiptPath);
  const text = await readFile(path, "utf8").catch((cause) => {
    throw new OqeError(
      "NOT_FOUND",
      `${path} cannot be read`,
      "Name a folder that `oqe quantize` or `oqe publish` wrote.",
      cause,
    );
  });
  return parseReceipt(text, path);
}

/** Renders card and pictures of a finished folder anew from its receipt; gives the card's path. */
export async function rewriteCard(folder: string): Promise<string> {
  await writeCard(folder, await readReceipt(folder));
  return join(folder, "README.md");
}

/** Writes what is made from the receipt and from nothing else. A picture that the receipt gives no figures for is removed. */
async function writeCard(folder: string, receipt: Receipt): Promise<void> {
  const pictures = drawPictures(receipt);
  const files = {
    "README.md": await renderCard(receipt),
    ...Object.fromEntries(pictures.map((p) => [p.path, p.svg])),
  };
  const size = Object.values(files).reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  await onDisk(folder, size, async () => {
    for (const path of picturePaths)
      if (!Object.hasOwn(files, path)) await rm(join(folder, path), { force: true });
    for (const [path, text] of Object.entries(files)) await writeFile(join(folder, path), text);
  });
}
