import { dirname } from "node:path";
import type { Shares } from "../estimate/ahead.ts";
import { makeFolder, onDisk, requireRoom } from "../ground/disk.ts";
import { partFits } from "../quantize/part-fit.ts";
import type { PartLog } from "../quantize/part-record.ts";
import { tuneParts, weightsToTune } from "../quantize/tune-series.ts";
import { digestOf } from "../receipt/recipe.ts";
import { workAside } from "./atomic-folder.ts";
import { type FillRequest, type FoldersRequest, tuningOf, withFiles } from "./folders.ts";
import { keptBytes } from "./kept-room.ts";
import { OwnProgress } from "./own-progress.ts";
import { stopParts } from "./proven-reads.ts";
import type { TierRun } from "./recipes.ts";
import { saveBlocks } from "./save-blocks.ts";
import { aheadBranch } from "./staged-records.ts";
import { StagedTier } from "./staged-tier.ts";
import { type StagingPlace, stagingPlace } from "./staging-claim.ts";
import { openTierWork, type TierWork } from "./tier-work.ts";
import { layoutTier } from "./write-tiers.ts";

/** A run that works ahead of the tiers' own jobs. Tuned tiers, propagation `reference`. */
export interface TuneAheadRequest extends FoldersRequest {
  readonly staging: Pick<StagingPlace, "hub" | "private">;
  /** The first block of each run's tier that is made here. */
  readonly first: readonly number[];
}

/**
 * Tunes the later blocks and the head of all tiers, with one Hessian for each input, and stages
 * them on a branch of each tier's repository. The tiers' own jobs take them over. Nothing is
 * evaluated, and no router is repaired. What a tier's own job has reached is left to it. Gives
 * the tiers that are finished: none. Throws TimeIsUp.
 */
export async function tuneAhead(
  request: FoldersRequest,
  shares: Shares | null,
): Promise<readonly []> {
  const { runs, staging, report, disk = 0 } = request;
  if (staging === null || shares === null) {
    report.info("nothing can be made ahead of the tiers' own jobs");
    return [];
  }
  const { first } = shares;
  const parent = dirname(runs[0]!.place);
  await onDisk(parent, disk, () => makeFolder(parent));
  await requireRoom([{ folder: parent, bytes: disk - (await keptBytes(runs, true)) }]);
  const builds = runs.map(({ place, recipe }) => ({ place, work: digestOf(recipe) }));
  await withFiles(request, (own) =>
    workAside(builds, (folders) =>
      onDisk(parent, disk, () => makeParts({ ...own, staging, first }, folders)),
    ),
  );
  return [];
}

/** A tier of which some parts are made here. */
interface AheadTarget {
  readonly run: TierRun;
  readonly folder: string;
  readonly staged: StagedTier;
  readonly own: OwnProgress;
}

async function makeParts(request: Filled, folders: readonly string[]): Promise<void> {
  const { runs, staging, report } = request;
  const targets: AheadTarget[] = [];
  for (const [i, run] of runs.entries()) {
    const { hub, repository, ...place } = stagingPlace(staging, run);
    const recipe = digestOf(run.recipe);
    const branch = { ...place, hub, repository, branch: aheadBranch, recipe, report };
    const own = new OwnProgress(hub, repository, recipe);
    targets.push({ run, folder: folders[i]!, staged: await StagedTier.open(branch), own });
  }
  const works: TierWork[] = [];
  try {
    for (const target of targets) works.push(await openWork(request, target));
    await tuneTargets(request, targets, works);
    for (const work of works) await work.settle();
    for (const { staged } of targets) await staged.release();
  } catch (error) {
    await stopParts(targets, error);
  } finally {
    await Promise.allSettled(works.map((work) => work.abort()));
  }
}

type Filled = FillRequest & TuneAheadRequest;

function openWork(
  { base, report }: Filled,
  { run, folder, staged }: AheadTarget,
): Promise<TierWork> {
  const { plan } = run.recipe;
  const [layouts, fits] = [layoutTier(base, plan), partFits(base, plan)];
  const own = { folder, layouts, fits, isDurable: true, staged };
  return openTierWork({ ...own, notes: base.checkpoint, report });
}

/** Thrown to end the walk: the tiers' own jobs make the rest. */
class NothingLeft extends Error {}

async function tuneTargets(
  request: Filled,
  targets: readonly AheadTarget[],
  works: readonly TierWork[],
): Promise<void> {
  const { base, runs, first, kernel, report } = request;
  const blocks = base.architecture.layers(base.config).length;
  const save = saveBlocks(request, works);
  const look = async () => {
    for (const { own } of targets) await own.look();
    if (targets.every(({ own }) => isNear(own, blocks))) throw new NothingLeft();
  };
  const onBlock = async (layer: number | null) => {
    await save(layer);
    if (layer !== null) await look();
  };
  try {
    await look();
    await tuneParts({
      ...tuningOf(request)!,
      ...{ base, kernel, report, onBlock },
      plans: runs.map(({ recipe }) => recipe.plan),
      sinks: works.map(({ sink }) => sink),
      logs: works.map(({ log }, i) => leaving(log, targets[i]!.own, { first: first[i]!, blocks })),
      rounding: runs[0]!.recipe.options.rounding,
      weights: weightsToTune(base, kernel),
      riders: { base: [], tiers: [] },
    });
  } catch (error) {
    if (!(error instanceof NothingLeft)) throw error;
    report.info("the jobs of the tiers make what is left");
  }
}

/** A log that leaves parts to the tier's own job: those before its share, and those it is near. */
function leaving(
  log: PartLog,
  own: OwnProgress,
  { first, blocks }: { readonly first: number; readonly blocks: number },
): PartLog {
  return {
    recall: (name) => log.recall(name),
    record: (part) => log.record(part),
    isLeft: (name) => {
      if (log.recall(name) !== null) return false;
      const layer = name === "head" ? blocks : Number(/^block (\d+)$/.exec(name)?.[1] ?? -1);
      return first >= blocks || layer < first || isNear(own, layer);
    },
  };
}

/**
 * Whether a tier's own job has a block (or behind the last one, the head), or begins it soon: it
 * makes the next one while the last is staged.
 */
function isNear({ reached }: OwnProgress, layer: number): boolean {
  return layer <= reached + 2;
}
