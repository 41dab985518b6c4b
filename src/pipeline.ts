import type { Hub } from "./hub/hub-types.ts";
import type { Inputs } from "./inputs.ts";
import type { Kernel } from "./kernel/kernel-types.ts";
import type { SeriesPlan } from "./quant/plan-types.ts";
import {
  checkCards,
  checkNames,
  checkRights,
  failedTier,
  inspectAll,
  isPublished,
  type PublishedTier,
  publishTier,
} from "./release.ts";
import type { Report } from "./report.ts";
import { makeFolders, makeJobs, makePlan, openBase } from "./series.ts";

/** The outside world, passed in. */
export interface Doors {
  readonly report: Report;
  readonly connect: () => Hub;
  readonly openKernel: () => Promise<Kernel>;
  /** What asked for the run, for the commits: `tag v1.2.0 of acme/models`. Empty on a laptop. */
  readonly occasion: string;
}

export interface Published {
  readonly plan: SeriesPlan;
  readonly tiers: readonly PublishedTier[];
  /** What stopped the publishing after the tiers that are done; null when all are. The entry reports the tiers, then throws it. */
  readonly failure: unknown;
}

/** Plans the series from headers alone. */
export async function planModel(inputs: Inputs, doors: Doors): Promise<SeriesPlan> {
  const base = await openBase(inputs, doors.connect, { allowHeaderOnly: true });
  await base.checkpoint.close();
  return makePlan(base, inputs);
}

/** Writes one MLX repo folder per tier below `out`, card and receipt included; gives the plan and the folders. */
export async function quantizeModel(inputs: Inputs, out: string, doors: Doors) {
  const { report } = doors;
  const base = await report.stage("Open the base model", () =>
    openBase(inputs, doors.connect, { allowHeaderOnly: false }),
  );
  const kernel = await doors.openKernel();
  try {
    const plan = makePlan(base, inputs);
    const jobs = await makeJobs(base, plan, inputs, { folder: out, namespace: null, kernelSha256: kernel.sha256 });
    await report.stage("Quantize", () => makeFolders(base, jobs, inputs, { report, kernel }));
    return { plan, folders: jobs.map((job) => job.place) };
  } finally {
    await kernel.close();
    await base.checkpoint.close();
  }
}

/** The whole job: open → plan → quantize → card → publish. Nothing reaches the Hub before every tier is finished on disk. */
export async function publishModel(inputs: Inputs, doors: Doors): Promise<Published> {
  const { report } = doors;
  const hub = doors.connect();
  checkNames(inputs);
  if (!inputs.dryRun) await report.stage("Check the token", () => checkRights(hub, inputs, report));
  const base = await report.stage("Open the base model", () => openBase(inputs, () => hub, { allowHeaderOnly: false }));
  const kernel = await doors.openKernel();
  try {
    const plan = makePlan(base, inputs);
    const target = { folder: inputs.workDir, namespace: inputs.namespace, kernelSha256: kernel.sha256 };
    const jobs = await makeJobs(base, plan, inputs, target);
    const states = await report.stage("Look at the tier repositories", () => inspectAll(hub, jobs, inputs));
    const pending = jobs.filter((job) => !isPublished(job, states.get(job)!));
    if (pending.length > 0)
      await report.stage("Quantize", () => makeFolders(base, pending, inputs, { report, kernel }));
    if (!inputs.dryRun && pending.length > 0) await report.stage("Check the cards", () => checkCards(hub, pending));
    const tiers: PublishedTier[] = [];
    let failure: unknown = null;
    for (const job of jobs) {
      const { repository } = job.recipe;
      if (failure === null) {
        const publish = () => publishTier(hub, job, states.get(job)!, pending.includes(job), inputs, doors.occasion);
        const tier = await report.stage(`Publish ${repository}`, publish).catch((error: unknown) => {
          failure = error;
          return null;
        });
        if (tier !== null) tiers.push(tier);
      }
      if (failure !== null) tiers.push(failedTier(hub, job, states.get(job)!));
      report.info(`${repository}: ${tiers.at(-1)!.outcome}`);
    }
    return { plan, tiers, failure };
  } finally {
    await kernel.close();
    await base.checkpoint.close();
  }
}
