import type { RunEstimate } from "../estimate/run-estimate.ts";
import type { Report } from "../ground/report.ts";
import type { Hub } from "../hub/hub-types.ts";
import type { Inputs } from "../inputs/inputs.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import type { TierPlan } from "../plan/plan-types.ts";
import type { Receipt } from "../receipt/receipt.ts";
import { isHeldBack } from "./held-back.ts";
import { checkNames } from "./publish-checks.ts";
import { findPublished, inspectAll } from "./published.ts";
import {
  draftTiers,
  makePlan,
  openBase,
  planDrafts,
  requireBudgets,
  requireWeights,
} from "./recipes.ts";
import { calibrate } from "./rows.ts";
import { foreseeSeries } from "./run-needs.ts";
import { openSources, sourceNames } from "./sources.ts";
import { stagingBranch } from "./staged-records.ts";
import { isCardStale } from "./stale-card.ts";
import { whyPending } from "./why-pending.ts";

/** A tier as a run would find it. */
export interface TierLook {
  readonly tier: string;
  readonly repository: string;
  /** Sizes: of the plan by fixed rules. The measured plan, which is not known yet, has the same. */
  readonly plan: TierPlan;
  /** The receipt on main; null: main has another tier, or none. */
  readonly published: Receipt | null;
  /** Page of our pull request on the Hub that has the tier; null: there is none. */
  readonly proposedAt: string | null;
  /** Why the tier has to be made; empty: main or the pull request has it. */
  readonly pending: readonly string[];
  /** Whether an unfinished or unpublished tier is on the staging branch. */
  readonly isStaged: boolean;
  /** Whether it is finished there, and worse than the published one beyond its error. */
  readonly isHeldBack: boolean;
  /** Whether main has the tier, but not the card that its receipt gives today. */
  readonly isCardStale: boolean;
}

/** A series as a run would find it. */
export interface SeriesLook {
  /** `org/name`, and the commit. */
  readonly base: { readonly id: string; readonly revision: string };
  readonly tiers: readonly TierLook[];
  /** What making the pending tiers needs; null: nothing is pending. */
  readonly needs: RunEstimate | null;
}

interface LookRequest {
  readonly connect: () => Hub;
  readonly kernel: Kernel;
  readonly report: Report;
  /** Threads that the estimate assumes. */
  readonly workers: number;
  /** Adds to a failure of reading the base who reads it with which token. */
  readonly explain: (failure: unknown) => unknown;
}

/**
 * What `publishModel` would find and make: from headers, receipts and the tokenizer, without
 * reading a weight or writing anything. Throws what it would refuse.
 */
export async function lookAtSeries(inputs: Inputs, request: LookRequest): Promise<SeriesLook> {
  const { connect, kernel, report, workers } = request;
  const { overwrite, gates, floors, policy } = inputs;
  checkNames(inputs);
  const hub = connect();
  const { baseModel, carry, loader } = inputs;
  const opening = openBase(baseModel, () => hub, { allowHeaderOnly: true, carry, loader });
  const base = await opening.catch((failure: unknown) => {
    throw request.explain(failure);
  });
  try {
    for (const warning of base.warnings) report.warn(warning);
    if (policy === "measured" || inputs.method === "tuned") requireWeights(base);
    const sources = await openSources(base, inputs, { kernel, connect: () => hub });
    requireBudgets(base, inputs, report);
    const rows = await calibrate(base, inputs, () => hub, report);
    const place = { folder: inputs.workDir, namespace: inputs.namespace };
    const target = { ...place, kernelSha256: kernel.sha256, ...sourceNames(sources) };
    const drafts = await draftTiers(base, inputs, rows, target);
    const { files: baseFiles, revision, id } = base.checkpoint.repository;
    const looking = { overwrite, gates, proposes: inputs.hubPullRequest, baseFiles, report };
    const states = await inspectAll(hub, drafts, looking);
    const plan = makePlan(base, inputs, null, report);
    const runs = planDrafts(drafts, { base, floors, plan, sensitivity: null });
    const tiers: TierLook[] = [];
    for (const run of runs) {
      const draft = drafts.find(({ tier }) => tier === run.tier)!;
      const state = states.get(draft)!;
      const current = findPublished(draft, state, gates);
      const proposedAt = current === null ? null : (state.proposal?.url ?? null);
      const published = proposedAt === null ? current : null;
      const { repository } = draft.recipe;
      const branch =
        current === null && state.exists ? await hub.readBranch(repository, stagingBranch) : null;
      tiers.push({
        ...{ tier: draft.tier, repository, plan: run.recipe.plan },
        ...{ published, proposedAt },
        pending: current === null ? whyPending(draft, state, gates) : [],
        isStaged: branch !== null,
        isHeldBack: branch !== null && (await isHeldBack(branch, draft, state.receipt)),
        isCardStale: published !== null && (await isCardStale(published, state)),
      });
    }
    const pending = runs.filter((_, i) => tiers[i]!.pending.length > 0);
    const { memoryLimit, workDir } = inputs;
    const asked = { base, runs: pending, rows, sources, memoryLimit, workDir };
    const staging = { hub, private: inputs.private };
    const needs = pending.length === 0 ? null : foreseeSeries({ ...asked, staging }, workers);
    await sources.proxy?.close?.();
    return { base: { id: id!, revision }, tiers, needs };
  } finally {
    await base.checkpoint.close();
  }
}
