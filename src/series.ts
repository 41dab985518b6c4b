import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import type { Calibration } from "./calibrate.ts";
import { bitsPerWeight, grouped } from "./card/figures.ts";
import { inheritFrom, licenceFiles } from "./card/inherit.ts";
import { drawPictures, picturePaths } from "./card/pictures.ts";
import { proofWords } from "./card/proof-words.ts";
import { type Receipt, receiptPath, type SeriesRow } from "./card/receipt.ts";
import { parseReceipt, writeReceipt } from "./card/receipt-file.ts";
import { blankProof, blankTuning, completeReceipt, type Recipe } from "./card/recipe.ts";
import { renderCard } from "./card/render.ts";
import { shareFigures } from "./card/series-figures.ts";
import { kindRatios } from "./card/tuning-facts.ts";
import { requireRoom } from "./checkpoint/disk.ts";
import { openFolder } from "./checkpoint/folder.ts";
import type { Repository } from "./checkpoint/repository.ts";
import { engine } from "./engine.ts";
import { OqeError } from "./errors.ts";
import type { Hub } from "./hub/hub-types.ts";
import { checkRepositoryName } from "./hub/names.ts";
import type { Inputs, ModelReference } from "./inputs.ts";
import type { Kernel } from "./kernel/kernel-types.ts";
import { proveFolders } from "./proof/prove-folders.ts";
import { type Base, describeConfigChanges, readBase } from "./quant/base.ts";
import { criticalExpertsOf } from "./quant/critical-experts.ts";
import { requireTokenizer, writeTiers } from "./quant/mlx-repo.ts";
import { describeModel } from "./quant/model-facts.ts";
import { keptTensors, planTier } from "./quant/plan.ts";
import type { SeriesPlan } from "./quant/plan-types.ts";
import { stripSuffixes, tiers } from "./quant/tiers.ts";
import type { Repair } from "./quant/tuning-record.ts";
import { tuningSettings } from "./quant/tuning-settings.ts";
import type { Report } from "./report.ts";
import { buildAside, onDisk, refuseForeignFolder } from "./work.ts";

/** A tier's recipe and the place of its folder. */
export interface Job {
  readonly recipe: Recipe;
  readonly place: string;
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
  return model.kind === "folder" ? openFolder(model.path) : connect().open(model.id, model.revision);
}

/** Name of a tier's repository, without namespace: `<Model>-<tier>`. */
export function tierName(modelName: string, tier: string): string {
  return `${stripSuffixes(modelName)}-${tier}`;
}

export function makePlan(base: Base, inputs: Inputs): SeriesPlan {
  const { repository } = base.checkpoint;
  return {
    model: repository.id ?? repository.name,
    revision: repository.revision,
    policy: inputs.policy,
    tiers: inputs.tiers.map((tier) => planTier(tier, base)),
    kept: keptTensors(base.tensors),
  };
}

/** The recipe of every tier, with its place below `folder`. `namespace` null: the tiers are written, not published. */
export async function makeJobs(
  base: Base,
  plan: SeriesPlan,
  inputs: Inputs,
  { tuning, evaluation }: Calibration,
  target: { readonly folder: string; readonly namespace: string | null; readonly kernelSha256: string },
): Promise<readonly Job[]> {
  const { repository } = base.checkpoint;
  requireTokenizer(repository);
  const inherited = await inheritFrom(repository);
  const model = describeModel(base);
  const configNotes = describeConfigChanges(base);
  const series = wholeSeries(base, plan);
  return plan.tiers.map((tier) => {
    const name = tierName(repository.name, tier.tier);
    checkRepositoryName(target.namespace ?? "folder", name);
    const recipe: Recipe = {
      format: 1,
      engine: { ...engine, kernelSha256: target.kernelSha256 },
      base: { id: repository.id, name: repository.name, revision: repository.revision, inherited },
      model,
      options: {
        method: inputs.method,
        propagation: inputs.method === "tuned" ? inputs.propagation : null,
        repair: inputs.method === "tuned" ? repairsOf(inputs, model.experts !== null) : null,
        rounding: inputs.rounding,
        policy: inputs.policy,
        storage: base.storage,
      },
      calibration: tuning?.record ?? null,
      evaluation: evaluation?.record ?? null,
      repository: target.namespace === null ? name : `${target.namespace}/${name}`,
      name,
      plan: tier,
      kept: plan.kept,
      series,
      sensitivity: null,
      configNotes,
    };
    return { recipe, place: join(target.folder, name) };
  });
}

/**
 * A row for every tier there is. A tier's card then does not depend on which others its run makes, so that four jobs of one
 * tier each write what one job writes.
 */
function wholeSeries(base: Base, plan: SeriesPlan): readonly SeriesRow[] {
  return tiers.map((tier) => {
    const { modules: _, ...row } = plan.tiers.find((made) => made.tier === tier.name) ?? planTier(tier, base);
    return row;
  });
}

/** The card with nothing measured yet: what receipt, template or Hub refuse of it is refused before hours of work. */
export async function rehearseCard({ recipe }: Job): Promise<string> {
  const unmeasured = { files: {}, weightError: { relative: 0 }, warnings: [] };
  const blank = { ...unmeasured, tuning: blankTuning(recipe), proof: blankProof(recipe) };
  const receipt = completeReceipt(recipe, blank);
  return renderCard(parseReceipt(writeReceipt(receipt), receipt.name));
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
  doors: { readonly report: Report; readonly kernel: Kernel },
): Promise<readonly Receipt[]> {
  if (jobs.length === 0) return [];
  for (const job of jobs) await rehearseCard(job);
  const places = jobs.map((job) => job.place);
  refuseInsideBase(inputs, places);
  for (const place of places) await refuseForeignFolder(place, inputs.overwrite);
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
        critical: criticalExpertsOf(null),
        repair,
        settings: tuningSettings,
      };
      const written = await writeTiers({ base, plans, folders, licences, rounding, tuning, ...doors });
      const finished = plans.map((plan, i) => ({ ...plan, folder: folders[i]! }));
      const { evaluation } = calibration;
      const { gates } = inputs;
      const proofs = evaluation && (await proveFolders({ base, tiers: finished, evaluation, gates, ...doors }));
      const complete = written.map(({ relativeError, ...measured }, i) => {
        const weightError = { relative: relativeError };
        return completeReceipt(jobs[i]!.recipe, { ...measured, weightError, proof: proofs?.[i] ?? null });
      });
      const receipts = shareFigures(complete);
      for (const [i, receipt] of receipts.entries()) {
        await writeFile(join(folders[i]!, receiptPath), writeReceipt(receipt));
        await writeCard(folders[i]!, receipt);
        tell(receipt, doors.report);
      }
      return receipts;
    }),
  );
}

/** Those of the asked repairs that the model has something for. */
function repairsOf({ repair }: Inputs, hasRouters: boolean): readonly Repair[] {
  return repair.filter((name) => name !== "router" || hasRouters);
}

/** One line on a finished tier, one more where it was tuned and where it was measured, and its warnings. */
function tell({ name, plan, tuning, proof, warnings }: Receipt, report: Report): void {
  report.info(`${name}: ${grouped(plan.bytes)} bytes, ${bitsPerWeight(plan.bpw)} bpw`);
  if (tuning !== null) report.info(`${name}: calibration loss, rounding = 1: ${kindRatios(tuning)}`);
  if (proof !== null) report.info(`${name}: ${proofWords(proof)}`);
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
  const files = { "README.md": await renderCard(receipt), ...Object.fromEntries(pictures.map((p) => [p.path, p.svg])) };
  const size = Object.values(files).reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  await onDisk(folder, size, async () => {
    for (const path of picturePaths) if (!Object.hasOwn(files, path)) await rm(join(folder, path), { force: true });
    for (const [path, text] of Object.entries(files)) await writeFile(join(folder, path), text);
  });
}
