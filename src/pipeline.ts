import type { Base } from "./base/base.ts";
import { OqeError } from "./ground/errors.ts";
import type { Report } from "./ground/report.ts";
import type { Hub } from "./hub/hub-types.ts";
import type { Inputs } from "./inputs/inputs.ts";
import type { Kernel } from "./kernel/kernel-types.ts";
import type { SeriesPlan } from "./plan/plan-types.ts";
import type { Sensitivity } from "./plan/sensitivity-types.ts";
import type { Receipt } from "./receipt/receipt.ts";
import { rehearseCard } from "./series/card-files.ts";
import { checkPlaces, makeFolders } from "./series/folders.ts";
import { gateFailure } from "./series/gate-failures.ts";
import { type PublishedTier, publishTiers } from "./series/publish.ts";
import { checkCards, checkNames, checkRights } from "./series/publish-checks.ts";
import { findPublished, inspectAll } from "./series/published.ts";
import {
  draftTiers,
  makePlan,
  openBase,
  planDrafts,
  requireBudgets,
  seriesPlan,
  type TierDraft,
  type TierRun,
} from "./series/recipes.ts";
import { type Calibration, calibrate } from "./series/rows.ts";
import { planMeasuring, planRun } from "./series/run-plan.ts";
import { measureNow, obtainSensitivity, openSources, sourceNames } from "./series/sources.ts";

/** The outside world, passed in. */
export interface Dependencies {
  readonly report: Report;
  readonly connect: () => Hub;
  readonly openKernel: () => Promise<Kernel>;
  /** What started the run, for the commits: `tag v1.2.0 of acme/models`; empty: unknown. */
  readonly occasion: string;
}

/** Dependencies with the base and the kernel open. */
interface Opened extends Dependencies {
  readonly base: Base;
  readonly kernel: Kernel;
}

export interface Published {
  readonly plan: SeriesPlan;
  readonly tiers: readonly PublishedTier[];
  /** Receipts of the tiers that had to be made. */
  readonly made: readonly Receipt[];
  /** What the run was expected to need, in lines. Empty if it had nothing to make. */
  readonly expected: readonly string[];
  /** The failure; null if there is none. The entry reports the tiers first, then throws it. */
  readonly failure: unknown;
}

/** A series plan and its sources. */
export interface Planned {
  readonly plan: SeriesPlan;
  readonly base: Pick<Base, "tensors" | "storage">;
  /** null: planned by fixed rules. */
  readonly sensitivity: Sensitivity | null;
}

/** Plans the series: by fixed rules from headers alone, otherwise by a sensitivity. */
export async function planModel(inputs: Inputs, dependencies: Dependencies): Promise<Planned> {
  if (inputs.policy === "oq") {
    const base = await openBase(inputs.baseModel, dependencies.connect, { allowHeaderOnly: true });
    await base.checkpoint.close();
    for (const warning of base.warnings) dependencies.report.warn(warning);
    return { plan: makePlan(base, inputs, null), base, sensitivity: null };
  }
  return withBase(inputs, dependencies, { allowHeaderOnly: true }, async (opened) => {
    const { base } = opened;
    const sources = await openSources(base, inputs, opened);
    requireBudgets(base, inputs);
    if (sources.given === null) requireWeights(base);
    const rows = sources.given === null ? await drawRows(inputs, opened) : null;
    if (rows !== null) await planMeasuring({ ...opened, inputs, rows, sources });
    const sensitivity = await obtainSensitivity({ ...opened, inputs, rows, sources });
    return { plan: makePlan(base, inputs, sensitivity), base, sensitivity };
  });
}

/** Measures the sensitivity of every tensor, with any policy. */
export async function measureModel(
  inputs: Inputs,
  dependencies: Dependencies,
): Promise<Sensitivity> {
  return withBase(inputs, dependencies, { allowHeaderOnly: true }, async (opened) => {
    requireWeights(opened.base);
    const { proxy } = inputs;
    const measured = { policy: "measured", sensitivity: null, proxy } as const;
    const sources = await openSources(opened.base, measured, opened);
    const rows = await drawRows(inputs, opened);
    await planMeasuring({ ...opened, inputs, rows, sources });
    return measureNow({ ...opened, inputs, rows, sources });
  });
}

/**
 * Writes one MLX folder per tier below `out`, with card and receipt. Gives the plan, the folders
 * and, as `failure`, the failed gates. The folder of a tier that failed stays on disk.
 */
export async function quantizeModel(inputs: Inputs, out: string, dependencies: Dependencies) {
  return withBase(inputs, dependencies, { allowHeaderOnly: false }, async (opened) => {
    const { base, kernel, report } = opened;
    const sources = await openSources(base, inputs, opened);
    requireBudgets(base, inputs);
    const rows = await drawRows(inputs, opened);
    const drafts = await draftTiers(base, inputs, rows, {
      folder: out,
      namespace: null,
      kernelSha256: kernel.sha256,
      ...sourceNames(sources),
    });
    const rehearsed = await rehearse(base, drafts, inputs);
    const { memoryForStates } = await planRun({
      ...opened,
      runs: rehearsed,
      inputs,
      rows,
      sources,
    });
    const sensitivity = await obtainSensitivity({ ...opened, inputs, rows, sources });
    const plan = makePlan(base, inputs, sensitivity);
    const runs = planDrafts(drafts, { base, floors: inputs.floors, plan, sensitivity });
    const make = () => makeFolders({ ...opened, runs, inputs, rows, memoryForStates });
    const made = await report.stage("Quantize", make);
    return { plan, folders: runs.map(({ place }) => place), failure: gateFailure(made) };
  });
}

/**
 * Makes and publishes the series: open → calibrate → compare → measure → plan → quantize → publish.
 * Nothing reaches the Hub before every tier is finished on disk.
 */
export async function publishModel(inputs: Inputs, dependencies: Dependencies): Promise<Published> {
  const { report } = dependencies;
  const hub = dependencies.connect();
  checkNames(inputs);
  if (!inputs.dryRun) await report.stage("Check the token", () => checkRights(hub, inputs, report));
  const connected = { ...dependencies, connect: () => hub };
  return withBase(inputs, connected, { allowHeaderOnly: false }, async (opened) => {
    const { base, kernel } = opened;
    const sources = await openSources(base, inputs, opened);
    requireBudgets(base, inputs);
    const rows = await drawRows(inputs, opened);
    const drafts = await draftTiers(base, inputs, rows, {
      folder: inputs.workDir,
      namespace: inputs.namespace,
      kernelSha256: kernel.sha256,
      ...sourceNames(sources),
    });
    const inspect = () => inspectAll(hub, drafts, inputs);
    const states = await report.stage("Look at the tier repositories", inspect);
    const published = drafts.map((draft) => findPublished(draft, states.get(draft)!, inputs));
    const pending = drafts.filter((_, i) => published[i] === null);
    const publishing = { ...opened, hub, drafts, states, pending, inputs };
    if (pending.length === 0) {
      await sources.proxy?.close?.();
      const plans = published.map((receipt) => receipt!.plan);
      const plan = seriesPlan(base, inputs.policy, plans);
      return { plan, made: [], expected: [], ...(await publishTiers({ ...publishing, made: [] })) };
    }
    const rehearsed = await rehearse(base, pending, inputs);
    const check = () => checkCards(hub, rehearsed, report);
    if (!inputs.dryRun) await report.stage("Check the cards", check);
    const runPlan = await planRun({ ...opened, runs: rehearsed, inputs, rows, sources });
    const { memoryForStates, lines: expected } = runPlan;
    const sensitivity = await obtainSensitivity({ ...opened, inputs, rows, sources });
    const plan = makePlan(base, inputs, sensitivity);
    const runs = planDrafts(pending, { base, floors: inputs.floors, plan, sensitivity });
    const make = () => makeFolders({ ...opened, runs, inputs, rows, memoryForStates });
    const made = await report.stage("Quantize", make);
    return { plan, made, expected, ...(await publishTiers({ ...publishing, made })) };
  });
}

function drawRows(inputs: Inputs, { base, connect, report }: Opened): Promise<Calibration> {
  return report.stage("Calibrate", () => calibrate(base, inputs, connect, report));
}

/**
 * Checks folders and cards before anything is measured. A plan by fixed rules replaces the measured
 * plan, which does not exist yet. Gives the runs with that plan.
 */
async function rehearse(
  base: Base,
  drafts: readonly TierDraft[],
  inputs: Inputs,
): Promise<readonly TierRun[]> {
  await checkPlaces(drafts, inputs);
  const plan = makePlan(base, inputs, null);
  const runs = planDrafts(drafts, { base, floors: inputs.floors, plan, sensitivity: null });
  for (const { recipe } of runs) await rehearseCard(recipe);
  return runs;
}

/** Opens base and kernel, and closes both, also after an error. */
async function withBase<T>(
  { baseModel }: Pick<Inputs, "baseModel">,
  dependencies: Dependencies,
  options: { readonly allowHeaderOnly: boolean },
  run: (opened: Opened) => Promise<T>,
): Promise<T> {
  const { connect, report } = dependencies;
  const open = () => openBase(baseModel, connect, options);
  const base = await report.stage("Open the base model", open);
  for (const warning of base.warnings) report.warn(warning);
  try {
    const kernel = await dependencies.openKernel();
    try {
      return await run({ ...dependencies, base, kernel });
    } finally {
      await kernel.close();
    }
  } finally {
    await base.checkpoint.close();
  }
}

/** Throws BAD_CHECKPOINT for a base that has headers and no weights. */
function requireWeights({ checkpoint }: Base): void {
  if (!checkpoint.headerOnly) return;
  throw new OqeError(
    "BAD_CHECKPOINT",
    `${checkpoint.repository.name} has headers without weights: only policy oq can plan from them`,
    "Set policy oq, or download the whole model.",
  );
}
