import { calibrate } from "./calibrate.ts";
import type { Receipt } from "./card/receipt.ts";
import type { Hub } from "./hub/hub-types.ts";
import type { Inputs } from "./inputs.ts";
import type { Kernel } from "./kernel/kernel-types.ts";
import type { Base } from "./quant/base.ts";
import type { SeriesPlan } from "./quant/plan-types.ts";
import {
  checkCards,
  checkNames,
  checkRights,
  gateFailure,
  inspectAll,
  isPublished,
  type PublishedTier,
  publishTiers,
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
  /** Receipts of the tiers that had to be made. */
  readonly made: readonly Receipt[];
  /** What stopped the publishing after the tiers that are done; null when all are. The entry reports the tiers, then throws it. */
  readonly failure: unknown;
}

/** Plans the series from headers alone. */
export async function planModel(inputs: Inputs, doors: Doors): Promise<SeriesPlan> {
  const base = await openBase(inputs, doors.connect, { allowHeaderOnly: true });
  await base.checkpoint.close();
  return makePlan(base, inputs);
}

/**
 * Writes one MLX repo folder per tier below `out`, card and receipt included; gives the plan and the folders, and as `failure` the
 * gates that a tier did not pass, whose folder is kept all the same.
 */
export async function quantizeModel(inputs: Inputs, out: string, doors: Doors) {
  const { report } = doors;
  return withBase(inputs, doors, doors.connect, async (base, kernel) => {
    const plan = makePlan(base, inputs);
    const calibration = await report.stage("Calibrate", () => calibrate(base, inputs, doors.connect, report));
    const jobs = await makeJobs(base, plan, inputs, calibration, {
      folder: out,
      namespace: null,
      kernelSha256: kernel.sha256,
    });
    const make = () => makeFolders(base, jobs, inputs, calibration, { report, kernel });
    const made = await report.stage("Quantize", make);
    return { plan, folders: jobs.map((job) => job.place), failure: gateFailure(made) };
  });
}

/** The whole job: open → plan → card → quantize → publish. Nothing reaches the Hub before every tier is finished on disk. */
export async function publishModel(inputs: Inputs, doors: Doors): Promise<Published> {
  const { report } = doors;
  const hub = doors.connect();
  checkNames(inputs);
  if (!inputs.dryRun) await report.stage("Check the token", () => checkRights(hub, inputs, report));
  return withBase(
    inputs,
    doors,
    () => hub,
    async (base, kernel) => {
      const plan = makePlan(base, inputs);
      const target = { folder: inputs.workDir, namespace: inputs.namespace, kernelSha256: kernel.sha256 };
      const calibration = await report.stage("Calibrate", () => calibrate(base, inputs, () => hub, report));
      const jobs = await makeJobs(base, plan, inputs, calibration, target);
      const states = await report.stage("Look at the tier repositories", () => inspectAll(hub, jobs, inputs));
      const pending = jobs.filter((job) => !isPublished(job, states.get(job)!, inputs));
      let made: readonly Receipt[] = [];
      if (pending.length > 0) {
        if (!inputs.dryRun) await report.stage("Check the cards", () => checkCards(hub, pending, report));
        made = await report.stage("Quantize", () =>
          makeFolders(base, pending, inputs, calibration, { report, kernel }),
        );
      }
      return { plan, made, ...(await publishTiers(hub, jobs, { states, pending, made, inputs, doors })) };
    },
  );
}

/** Opens base and kernel, and closes both whatever happens. */
async function withBase<T>(
  inputs: Inputs,
  doors: Doors,
  connect: () => Hub,
  run: (base: Base, kernel: Kernel) => Promise<T>,
): Promise<T> {
  const open = () => openBase(inputs, connect, { allowHeaderOnly: false });
  const base = await doors.report.stage("Open the base model", open);
  try {
    const kernel = await doors.openKernel();
    try {
      return await run(base, kernel);
    } finally {
      await kernel.close();
    }
  } finally {
    await base.checkpoint.close();
  }
}
