import type { Base } from "./base/base.ts";
import type { Report } from "./ground/report.ts";
import type { Hub } from "./hub/hub-types.ts";
import type { Inputs, RowInputs } from "./inputs/inputs.ts";
import type { Kernel } from "./kernel/kernel-types.ts";
import type { SeriesPlan } from "./plan/plan-types.ts";
import type { Sensitivity } from "./plan/sensitivity-types.ts";
import type { Receipt } from "./receipt/receipt.ts";
import { checkTags, finishSeries } from "./series/announce.ts";
import type { Announcing, FinishedSeries } from "./series/announce-types.ts";
import { receiptsOf } from "./series/card-files.ts";
import { whileLocked } from "./series/folder-lock.ts";
import { type FoldersRequest, makeFolders } from "./series/folders.ts";
import { foresee } from "./series/foreseen-plan.ts";
import { gateFailure } from "./series/gate-failures.ts";
import { reachedBy } from "./series/publish.ts";
import { checkCards, checkNames, checkRights, checkWrites } from "./series/publish-checks.ts";
import { findPublished, inspectAll } from "./series/published.ts";
import {
  draftTiers,
  makePlan,
  openBase,
  planDrafts,
  requireBudgets,
  requireWeights,
  seriesPlan,
  type TierDraft,
  type TierRun,
} from "./series/recipes.ts";
import { rehearse } from "./series/rehearse.ts";
import { type Calibration, calibrate } from "./series/rows.ts";
import { estimateMeasuring, estimateSeries, foreseeAhead } from "./series/run-needs.ts";
import {
  measureNow,
  obtainSensitivity,
  openSources,
  type Sources,
  sourceNames,
} from "./series/sources.ts";
import { checkStaging, stagingPlace } from "./series/staging-claim.ts";
import { TimeIsUp, TimeLimit } from "./series/time-limit.ts";
import { tuneAhead } from "./series/tune-ahead.ts";

/** The outside world, passed in. */
export interface Dependencies {
  readonly report: Report;
  readonly connect: () => Hub;
  readonly openKernel: () => Promise<Kernel>;
  /** What started the run, for the commits: `tag v1.2.0 of acme/models`; empty: unknown. */
  readonly occasion: string;
  /** What a published series gets besides its files; nothing if it is missing. */
  readonly announcing?: Announcing;
  /** Whether a published tier stays if the new one is worse beyond its error. Default: no. */
  readonly keepsBetter?: boolean;
  /** Whether its user asked the run to stop: it does so behind a block. Default: no. */
  readonly isStopped?: () => boolean;
}

/** Dependencies with the base and the kernel open. */
interface Opened extends Dependencies {
  readonly base: Base;
  readonly kernel: Kernel;
}

/** `failure`: the entry reports the tiers first, then throws it. */
export interface Published extends FinishedSeries {
  readonly plan: SeriesPlan;
  /** Receipts of the tiers that had to be made. */
  readonly made: readonly Receipt[];
  /** Receipts of the tiers that were published before. */
  readonly current: readonly Receipt[];
  /** What the run was expected to need, in lines. Empty if it had nothing to make. */
  readonly expected: readonly string[];
  /** Whether a job that works ahead of the tiers' own is worth a runner. */
  readonly paysAhead: boolean;
  /** Why the run stopped before its end: the next one goes on. null: it did not. */
  readonly stopped: TimeIsUp | null;
}

/** A series plan and its sources. */
export interface Planned {
  readonly plan: SeriesPlan;
  readonly base: Pick<Base, "tensors" | "storage">;
  /** null: planned by fixed rules. */
  readonly sensitivity: Sensitivity | null;
}

/**
 * Plans the series: by fixed rules from headers alone, or by a sensitivity. With a measured policy
 * and without `measures`, it takes one that is given or kept; else it plans by the fixed rules, and
 * says what measuring would cost.
 */
export async function planModel(
  inputs: Inputs,
  dependencies: Dependencies,
  { measures }: { readonly measures: boolean },
): Promise<Planned> {
  const { baseModel, carry, loader, policy } = inputs;
  if (policy === "oq") {
    const opening = { ...headersOnly, carry, loader };
    const base = await openBase(baseModel, dependencies.connect, opening);
    await base.checkpoint.close();
    for (const warning of base.warnings) dependencies.report.warn(warning);
    base.architecture.forward.check(base.config);
    requireBudgets(base, inputs, dependencies.report);
    return { plan: makePlan(base, inputs, null, dependencies.report), base, sensitivity: null };
  }
  return withBase(inputs, dependencies, headersOnly, async (opened) => {
    const { base, report } = opened;
    base.architecture.forward.check(base.config);
    const sources = await openSources(base, inputs, opened);
    requireBudgets(base, inputs, report);
    const draw = () => drawRows(inputs, opened);
    const asked = { ...opened, inputs: { ...inputs, timeLimit: null }, sources, drawRows: draw };
    const measure = () => measureOpened(asked.inputs, sources, opened);
    const sensitivity = measures ? await measure() : await foresee(asked, opened);
    const how = { ...inputs, policy: sensitivity === null ? ("oq" as const) : policy };
    return { plan: makePlan(base, how, sensitivity, report), base, sensitivity };
  });
}

/** Measures the sensitivity of every tensor, with any policy. */
export async function measureModel(inputs: Inputs, outside: Dependencies): Promise<Sensitivity> {
  const measured = { ...inputs, policy: "measured", sensitivity: null } as const;
  return withBase(inputs, outside, headersOnly, async (opened) =>
    measureOpened(measured, await openSources(opened.base, measured, opened), opened),
  );
}

/** The sensitivity that is given, or measured on the base. */
async function measureOpened(inputs: Inputs, sources: Sources, opened: Opened) {
  if (sources.given !== null) return sources.given.sensitivity;
  const { base } = opened;
  requireWeights(base);
  const rows = await drawRows(inputs, opened);
  const place = { folder: inputs.workDir, memoryLimit: inputs.memoryLimit };
  const fit = await estimateMeasuring({ base, rows, sources }, place, opened);
  const timeLimit = new TimeLimit(inputs.timeLimit, opened.isStopped);
  return measureNow({ ...inputs, base, rows, sources, timeLimit, ...fit }, opened);
}

/**
 * Writes one MLX folder per tier below `out`, with card and receipt. Gives the plan, the folders,
 * the receipts and, as `failure`, the failed gates. The folder of a tier that failed stays on disk.
 */
export async function quantizeModel(inputs: Inputs, out: string, dependencies: Dependencies) {
  return withBase(inputs, dependencies, withWeights, async (opened) => {
    const drafted = await prepare(inputs, { folder: out, namespace: null }, opened);
    const rehearsed = await rehearse(inputs, drafted.drafts, opened.base);
    const making = { ...drafted, staging: null };
    return whileLocked(placesOf(rehearsed), async (places) => {
      const { plan, made, stopped } = await makeTiers(inputs, rehearsed, making, opened);
      const folders = stopped === null ? places : [];
      const receipts = receiptsOf(made);
      return { plan, folders, receipts, stopped, failure: gateFailure(receipts) };
    });
  });
}

/**
 * Makes and publishes the series. Tuned tiers are staged on branches of their repositories while
 * they are made. No `main` changes before every tier is finished.
 */
export async function publishModel(inputs: Inputs, dependencies: Dependencies): Promise<Published> {
  const { baseModel, namespace, tiers, policy, workDir, gates, overwrite, dryRun } = inputs;
  const { private: isPrivate, until, hubPullRequest: proposes } = inputs;
  const { report, occasion, announcing, keepsBetter = false } = dependencies;
  const hub = dependencies.connect();
  checkNames({ baseModel, namespace, tiers });
  const checkToken = () => checkRights(hub, { namespace }, report);
  // A job that only measures holds no token that may write.
  const readsOnly = dryRun || until === "measured";
  const writable = readsOnly ? null : await report.stage("Check the token", checkToken);
  const connected = { ...dependencies, connect: () => hub };
  return withBase(inputs, connected, withWeights, async (opened) => {
    const { base } = opened;
    const drafted = await prepare(inputs, { folder: workDir, namespace }, opened);
    const { drafts, sources } = drafted;
    const { files: baseFiles } = base.checkpoint.repository;
    const looking = { overwrite, gates, proposes, baseFiles, report };
    const inspect = () => inspectAll(hub, drafts, looking);
    const states = await report.stage("Look at the tier repositories", inspect);
    if (!readsOnly) await checkWrites(hub, states, { writable, report });
    const published = drafts.map((draft) => findPublished(draft, states.get(draft)!, gates));
    const pending = drafts.filter((_, i) => published[i] === null);
    const current = published.filter((receipt) => receipt !== null);
    if (!dryRun) await checkTags({ hub, states }, pending, announcing?.tag ?? null);
    const how = { proposes, readsOnly, isPrivate, keepsBetter, report, occasion };
    const publishing = { hub, drafts, states, pending, ...how };
    if (pending.length === 0) {
      await sources.proxy?.close?.();
      const plans = current.map((receipt) => receipt.plan);
      const plan = seriesPlan(base, policy, plans);
      const done = await finishSeries({ ...publishing, made: [], reached: null }, announcing);
      const nothing = { made: [], expected: [], stopped: null, paysAhead: false };
      return { plan, current, ...nothing, ...done };
    }
    if (!readsOnly) await checkStaging(hub, pending);
    const noted = pending.map((draft) => ({ ...draft, notes: states.get(draft)!.notes }));
    const rehearsed = await rehearse(inputs, noted, base);
    const check = () => checkCards(hub, rehearsed, report);
    if (!dryRun) await report.stage("Check the cards", check);
    const staging = dryRun ? null : { hub, private: isPrivate, readsOnly };
    const making = { ...drafted, staging, published: current };
    return whileLocked(placesOf(rehearsed), async () => {
      const { made, stopped, ...run } = await makeTiers(inputs, rehearsed, making, opened);
      const reached = stopped === null ? reachedBy[until] : "unfinished";
      const published = await finishSeries({ ...publishing, made, reached }, announcing);
      return { ...run, made: receiptsOf(made), current, stopped, ...published };
    });
  });
}

/** A series before its plans. */
interface Drafted {
  readonly sources: Sources;
  readonly rows: Calibration;
  readonly drafts: readonly TierDraft[];
}

/** Opens the sources of the plan, checks the budgets, draws the rows and drafts the tiers. */
async function prepare(
  inputs: Inputs,
  place: { readonly folder: string; readonly namespace: string | null },
  opened: Opened,
): Promise<Drafted> {
  const { tiers, policy, floors, sensitivity, proxy } = inputs;
  const { base, kernel, report } = opened;
  const sources = await openSources(base, { policy, sensitivity, proxy }, opened);
  requireBudgets(base, { tiers, policy, floors }, report);
  const rows = await drawRows(inputs, opened);
  const target = { ...place, kernelSha256: kernel.sha256, ...sourceNames(sources) };
  return { sources, rows, drafts: await draftTiers(base, inputs, rows, target) };
}

function drawRows(inputs: RowInputs, { base, connect, report }: Opened): Promise<Calibration> {
  return report.stage("Draw the rows", () => calibrate(base, inputs, connect, report));
}

/**
 * Estimates the run, measures, plans, and makes the folders of the rehearsed tiers. `stopped` if
 * the time was up before that.
 */
async function makeTiers(
  inputs: Inputs,
  rehearsed: readonly TierRun[],
  { sources, rows, staging, published }: Drafted & Pick<FoldersRequest, "staging" | "published">,
  opened: Opened,
) {
  const { tiers, policy, floors, gates, until, domainWeights, workDir, memoryLimit } = inputs;
  const { base, kernel, report } = opened;
  const isAhead = until === "ahead";
  const asked = { base, runs: rehearsed, rows, sources, memoryLimit, workDir, staging, isAhead };
  const { lines: expected, paysAhead, ...fit } = await estimateSeries(asked, opened);
  const timeLimit = new TimeLimit(inputs.timeLimit, opened.isStopped);
  let plan = makePlan(base, { tiers, policy, floors }, null);
  try {
    const measuring = { base, rows, sources, domainWeights, workDir, timeLimit };
    const places = staging === null ? [] : rehearsed.map((run) => stagingPlace(staging, run));
    const sensitivity = await obtainSensitivity({ ...measuring, ...fit, staging: places }, opened);
    plan = makePlan(base, { tiers, policy, floors }, sensitivity, report);
    const done = { plan, paysAhead, expected, stopped: null };
    if (until === "measured") return { ...done, made: [] };
    const runs = planDrafts(rehearsed, { base, floors, plan, sensitivity });
    const making = { base, runs, replacing: inputs, gates, rows, staging, published, timeLimit };
    const asking = { ...making, ...fit, expectsAhead: until === "staged", kernel, report };
    const makeAhead = () => tuneAhead(asking, foreseeAhead({ ...asked, runs }));
    if (isAhead) return { ...done, made: await report.stage("Tune ahead", makeAhead) };
    return { ...done, made: await report.stage("Quantize", () => makeFolders(asking)) };
  } catch (error) {
    if (!(error instanceof TimeIsUp)) throw error;
    return { plan, paysAhead, made: [], expected, stopped: error };
  }
}

const placesOf = (runs: readonly TierRun[]) => runs.map(({ place }) => place);
const [headersOnly, withWeights] = [{ allowHeaderOnly: true }, { allowHeaderOnly: false }] as const;

/** Opens base and kernel, and closes both, also after an error. */
async function withBase<T>(
  { baseModel, carry, loader }: Pick<Inputs, "baseModel" | "carry" | "loader">,
  dependencies: Dependencies,
  options: typeof headersOnly | typeof withWeights,
  run: (opened: Opened) => Promise<T>,
): Promise<T> {
  const { connect, report } = dependencies;
  const open = () => openBase(baseModel, connect, { ...options, carry, loader });
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
