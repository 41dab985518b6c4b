import type { Base } from "./base/base.ts";
import type { Repository } from "./checkpoint/repository.ts";
import { OqeError } from "./ground/errors.ts";
import type { Report } from "./ground/report.ts";
import type { Hub } from "./hub/hub-types.ts";
import type { Inputs } from "./inputs/inputs.ts";
import type { Kernel } from "./kernel/kernel-types.ts";
import type { SeriesPlan } from "./plan/plan-types.ts";
import type { Sensitivity } from "./plan/sensitivity-types.ts";
import type { Receipt } from "./receipt/receipt.ts";
import { checkPlaces, makeFolders, rehearseCard } from "./series/folders.ts";
import {
  checkCards,
  checkNames,
  checkRights,
  findPublished,
  gateFailure,
  inspectAll,
  type PublishedTier,
  publishTiers,
} from "./series/publish.ts";
import {
  type Job,
  makePlan,
  type Order,
  openBase,
  openRepository,
  placeOrders,
  planOrders,
  requireBudgets,
  seriesPlan,
} from "./series/recipes.ts";
import { type Calibration, calibrate } from "./series/rows.ts";
import { type GivenSensitivity, measureBase, proxyName, readGiven } from "./series/sensitivity.ts";

/** The outside world, passed in. */
export interface Dependencies {
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

/** A series plan and what it was made from. */
export interface Planned {
  readonly plan: SeriesPlan;
  readonly base: Pick<Base, "tensors" | "storage">;
  /** null: by rules. */
  readonly sensitivity: Sensitivity | null;
}

/** Plans the series: by rules from headers alone, by prices after measuring. */
export async function planModel(inputs: Inputs, dependencies: Dependencies): Promise<Planned> {
  if (inputs.policy === "oq") {
    const base = await openBase(inputs, dependencies.connect, { allowHeaderOnly: true });
    await base.checkpoint.close();
    for (const warning of base.warnings) dependencies.report.warn(warning);
    return { plan: makePlan(base, inputs, null), base, sensitivity: null };
  }
  const plan = async (base: Base, kernel: Kernel): Promise<Planned> => {
    const sources = await openSources(base, inputs, kernel, dependencies.connect);
    requireBudgets(base, inputs);
    if (sources.given === null) requireWeights(base);
    const calibration = sources.given === null ? await drawRows(base, inputs, dependencies) : null;
    const sensitivity = await obtainSensitivity(base, inputs, calibration, sources, {
      report: dependencies.report,
      kernel,
    });
    return { plan: makePlan(base, inputs, sensitivity), base, sensitivity };
  };
  return withBase(inputs, dependencies, dependencies.connect, plan, true);
}

/** Measures what bits are worth, whatever the policy. */
export async function measureModel(
  inputs: Inputs,
  dependencies: Dependencies,
): Promise<Sensitivity> {
  const measured = { ...inputs, policy: "measured", sensitivity: null } as const;
  const run = async (base: Base, kernel: Kernel) => {
    requireWeights(base);
    const sources = await openSources(base, measured, kernel, dependencies.connect);
    const calibration = await drawRows(base, inputs, dependencies);
    return (await obtainSensitivity(base, measured, calibration, sources, {
      report: dependencies.report,
      kernel,
    }))!;
  };
  return withBase(inputs, dependencies, dependencies.connect, run, true);
}

function drawRows(
  base: Base,
  inputs: Inputs,
  { connect, report }: Dependencies,
): Promise<Calibration> {
  return report.stage("Calibrate", () => calibrate(base, inputs, connect, report));
}

/**
 * Writes one MLX repo folder per tier below `out`, card and receipt included; gives the plan and the folders, and as `failure` the
 * gates that a tier did not pass, whose folder is kept all the same.
 */
export async function quantizeModel(inputs: Inputs, out: string, dependencies: Dependencies) {
  const { report } = dependencies;
  return withBase(inputs, dependencies, dependencies.connect, async (base, kernel) => {
    const sources = await openSources(base, inputs, kernel, dependencies.connect);
    requireBudgets(base, inputs);
    const calibration = await drawRows(base, inputs, dependencies);
    const orders = await placeOrders(base, inputs, calibration, {
      folder: out,
      namespace: null,
      kernelSha256: kernel.sha256,
      ...sourceNames(sources),
    });
    await rehearse(base, orders, inputs);
    const sensitivity = await obtainSensitivity(base, inputs, calibration, sources, {
      report,
      kernel,
    });
    const plan = makePlan(base, inputs, sensitivity);
    const jobs = planOrders(base, orders, inputs, plan, sensitivity);
    const make = () => makeFolders(base, jobs, inputs, calibration, { report, kernel });
    const made = await report.stage("Quantize", make);
    return { plan, folders: jobs.map((job) => job.place), failure: gateFailure(made) };
  });
}

/** The whole job: open → measure → plan → card → quantize → publish. Nothing reaches the Hub before every tier is finished on disk. */
export async function publishModel(inputs: Inputs, dependencies: Dependencies): Promise<Published> {
  const { report } = dependencies;
  const hub = dependencies.connect();
  checkNames(inputs);
  if (!inputs.dryRun) await report.stage("Check the token", () => checkRights(hub, inputs, report));
  return withBase(
    inputs,
    dependencies,
    () => hub,
    async (base, kernel) => {
      const sources = await openSources(base, inputs, kernel, () => hub);
      requireBudgets(base, inputs);
      const calibration = await drawRows(base, inputs, { ...dependencies, connect: () => hub });
      const orders = await placeOrders(base, inputs, calibration, {
        folder: inputs.workDir,
        namespace: inputs.namespace,
        kernelSha256: kernel.sha256,
        ...sourceNames(sources),
      });
      const states = await report.stage("Look at the tier repositories", () =>
        inspectAll(hub, orders, inputs),
      );
      const published = new Map(
        orders.map((order) => [order, findPublished(order, states.get(order)!, inputs)]),
      );
      const pending = orders.filter((order) => published.get(order) === null);
      const release = { states, pending, inputs, dependencies };
      if (pending.length === 0) {
        await sources.proxy?.close?.();
        const plan = seriesPlan(
          base,
          inputs,
          [...published.values()].map((receipt) => receipt!.plan),
        );
        return { plan, made: [], ...(await publishTiers(hub, orders, { ...release, made: [] })) };
      }
      const rehearsed = await rehearse(base, pending, inputs);
      if (!inputs.dryRun)
        await report.stage("Check the cards", () => checkCards(hub, rehearsed, report));
      const sensitivity = await obtainSensitivity(base, inputs, calibration, sources, {
        report,
        kernel,
      });
      const plan = makePlan(base, inputs, sensitivity);
      const jobs = planOrders(base, pending, inputs, plan, sensitivity);
      const make = () => makeFolders(base, jobs, inputs, calibration, { report, kernel });
      const made = await report.stage("Quantize", make);
      return { plan, made, ...(await publishTiers(hub, orders, { ...release, made })) };
    },
  );
}

/**
 * What can be refused without prices is refused before they are measured: places and cards. The rules' plan stands in for the one
 * that is still to be made; gives the jobs by it.
 */
async function rehearse(
  base: Base,
  orders: readonly Order[],
  inputs: Inputs,
): Promise<readonly Job[]> {
  await checkPlaces(orders, inputs);
  const jobs = planOrders(base, orders, inputs, makePlan(base, inputs, null), null);
  for (const job of jobs) await rehearseCard(job);
  return jobs;
}

/** What is there to plan by beside the base itself. */
interface Sources {
  readonly given: GivenSensitivity | null;
  readonly proxy: Repository | null;
}

async function openSources(
  base: Base,
  inputs: Inputs,
  kernel: Kernel,
  connect: () => Hub,
): Promise<Sources> {
  if (inputs.policy === "oq") return { given: null, proxy: null };
  const given = await readGiven(inputs, base, kernel);
  return { given, proxy: inputs.proxy && (await openRepository(inputs.proxy, connect)) };
}

/** As the recipe names them. */
function sourceNames({ given, proxy }: Sources) {
  return { sensitivitySha256: given?.sha256 ?? null, proxyName: proxy && proxyName(proxy) };
}

/** The measurement that a run plans by: of the file that it was given, or its own; null where it plans by rules. */
async function obtainSensitivity(
  base: Base,
  inputs: Inputs,
  calibration: Calibration | null,
  { given, proxy }: Sources,
  dependencies: { readonly report: Report; readonly kernel: Kernel },
): Promise<Sensitivity | null> {
  if (inputs.policy === "oq") return null;
  if (given !== null) return given.sensitivity;
  const rows = calibration?.tuning?.rows;
  if (rows === undefined) {
    throw new OqeError(
      "BAD_INPUT",
      "measuring needs calibration text, and method rounded reads none",
      "Leave method out.",
    );
  }
  return dependencies.report.stage("Measure", () =>
    measureBase(base, rows, proxy, inputs, dependencies),
  );
}

/** Opens base and kernel, and closes both whatever happens. */
async function withBase<T>(
  inputs: Inputs,
  dependencies: Dependencies,
  connect: () => Hub,
  run: (base: Base, kernel: Kernel) => Promise<T>,
  allowHeaderOnly = false,
): Promise<T> {
  const open = () => openBase(inputs, connect, { allowHeaderOnly });
  const base = await dependencies.report.stage("Open the base model", open);
  for (const warning of base.warnings) dependencies.report.warn(warning);
  try {
    const kernel = await dependencies.openKernel();
    try {
      return await run(base, kernel);
    } finally {
      await kernel.close();
    }
  } finally {
    await base.checkpoint.close();
  }
}

/** Throws BAD_CHECKPOINT for a base of headers alone. */
function requireWeights({ checkpoint }: Base): void {
  if (!checkpoint.headerOnly) return;
  throw new OqeError(
    "BAD_CHECKPOINT",
    `${checkpoint.repository.name} holds headers without weights: only a plan by rules can be made from them`,
    "Say policy oq for such a plan, or download the whole model.",
  );
}
