import type { Report } from "../ground/report.ts";
import type { Hub, PushResult, RemoteState } from "../hub/hub-types.ts";
import type { Inputs } from "../inputs/inputs.ts";
import { draftDigestOf } from "../receipt/recipe.ts";
import { type MadeTier, receiptsOf } from "./card-files.ts";
import { describeCommit } from "./commit-words.ts";
import { stagedFiles } from "./finished-tier.ts";
import { gateFailure } from "./gate-failures.ts";
import { compareWithPublished, keptFailure, type TierComparison } from "./kept-better.ts";
import type { RemoteStates } from "./published.ts";
import type { TierDraft } from "./recipes.ts";
import { aheadBranch, stagingBranch } from "./staged-records.ts";
import { findLiveClaim } from "./staging-claim.ts";

const stagingBranches = [stagingBranch, aheadBranch];

/** How far tiers came that are not to be published yet: finished and staged, or not finished. */
export type Reached = "staged" | "unfinished";

/** The same by what a run was asked for, when it has come to its end. */
export const reachedBy: Readonly<Record<Inputs["until"], Reached | null>> = {
  measured: "unfinished",
  ahead: "unfinished",
  staged: "staged",
  published: null,
};

export interface PublishedTier {
  readonly tier: string;
  readonly repository: string;
  readonly outcome: PushResult["outcome"] | "dry-run" | "failed" | "kept" | Reached;
  /** Head of main after the run; null: a dry run that would create the repository. */
  readonly commit: string | null;
  readonly url: string;
  /** The finished folder; null: nothing had to be made. */
  readonly folder: string | null;
}

export interface Publishing {
  readonly hub: Hub;
  readonly drafts: readonly TierDraft[];
  readonly states: RemoteStates;
  /** Drafts whose folder was made, because main does not have them yet. */
  readonly pending: readonly TierDraft[];
  /** null: pending tiers are to be published. */
  readonly reached: Reached | null;
  /** The pending tiers, as this run made them. */
  readonly made: readonly MadeTier[];
  /** Whether a published tier stays if the new one is worse beyond its error. */
  readonly keepsBetter: boolean;
  /** Whether pull requests on the Hub take the place of commits to main. */
  readonly proposes: boolean;
  /** Whether nothing is written to the Hub. */
  readonly readsOnly: boolean;
  /** Whether new repositories are private. */
  readonly isPrivate: boolean;
  readonly report: Report;
  /** What started the run, for the commits: `tag v1.2.0 of acme/models`; empty: unknown. */
  readonly occasion: string;
}

export interface PublishedSeries {
  readonly tiers: readonly PublishedTier[];
  /** New tiers against the published ones, if `keepsBetter`. */
  readonly comparisons: readonly TierComparison[];
  /** The first failure, or the failed gates and the tiers that stay; null: all went well. */
  readonly failure: unknown;
}

/**
 * Publishes one tier after the other, except those that failed a gate, and those that are to stay
 * as published. The first other failure ends it. The result lists all tiers, so that the caller can
 * report them and then throw the failure.
 */
export async function publishTiers(publishing: Publishing): Promise<PublishedSeries> {
  const { drafts, pending, report } = publishing;
  const tiers: PublishedTier[] = [];
  const comparisons = compareAll(publishing);
  let failure: unknown = null;
  for (const { words } of comparisons) report.info(words);
  for (const draft of drafts) {
    const isPending = pending.includes(draft);
    const { repository } = draft.recipe;
    if (isPending && isHeldBack(publishing, draft)) {
      report.info(`${repository}: held back, because it failed a gate`);
      tiers.push(await failedTier(publishing, draft));
      continue;
    }
    if (comparisons.some(({ tier, isWorse }) => isWorse && tier === draft.tier)) {
      tiers.push({ ...(await failedTier(publishing, draft)), outcome: "kept" });
      continue;
    }
    if (isPending && failure !== null) tiers.push(await failedTier(publishing, draft));
    else {
      const publish = () => publishTier(publishing, draft, isPending);
      const tier = await report.stage(`Publish ${repository}`, publish).catch((error: unknown) => {
        failure = error;
        return failedTier(publishing, draft);
      });
      tiers.push(tier);
    }
    report.info(`${repository}: ${tiers.at(-1)!.outcome}`);
  }
  const held = gateFailure(receiptsOf(publishing.made)) ?? keptFailure(comparisons);
  return { tiers, comparisons, failure: failure ?? held };
}

/** Every tier that would be published now, against the one on main. */
function compareAll({ keepsBetter, reached, drafts, states, made }: Publishing) {
  if (!keepsBetter || reached !== null) return [];
  return drafts.flatMap((draft) => {
    const fresh = made.find(({ receipt }) => receipt.name === draft.recipe.name);
    return fresh === undefined
      ? []
      : (compareWithPublished(fresh.receipt, states.get(draft)!.receipt) ?? []);
  });
}

function isHeldBack({ made }: Publishing, { recipe }: TierDraft): boolean {
  return gateFailure(receiptsOf(made).filter(({ name }) => name === recipe.name)) !== null;
}

/** Publishes one finished tier, or reports that nothing had to be done. */
async function publishTier(
  publishing: Publishing,
  draft: TierDraft,
  isPending: boolean,
): Promise<PublishedTier> {
  const { hub, states, made, proposes, readsOnly, isPrivate, reached, occasion } = publishing;
  const { tier, place } = draft;
  const { repository } = draft.recipe;
  const state = states.get(draft)!;
  const row = { tier, repository, url: `${hub.endpoint}/${repository}` };
  if (!isPending) {
    if (!readsOnly) for (const branch of stagingBranches) await removeLeftover(hub, draft, branch);
    if (state.proposal === null)
      return { ...row, outcome: "unchanged", commit: state.head, folder: null };
    const { url, state: proposed } = state.proposal;
    return { ...row, outcome: "proposed", commit: proposed.head, url, folder: null };
  }
  if (reached === "unfinished" || (reached !== null && !readsOnly))
    return { ...row, outcome: reached, commit: state.head, folder: null };
  if (readsOnly) return { ...row, outcome: "dry-run", commit: state.head, folder: place };
  // The folder may be another one by now, so its receipt is not read.
  const { receipt, sums } = made.find((one) => one.receipt.name === draft.recipe.name)!;
  const { outcome, commit, url } = await hub.push({
    proposes,
    repository,
    folder: place,
    state,
    expected: sums,
    keep: state.kept,
    staged: await stagedFiles(place, receipt),
    private: isPrivate,
    ...describeCommit(draft, occasion),
  });
  await hub.removeBranch(repository, stagingBranch);
  await removeLeftover(hub, draft, aheadBranch);
  return { ...row, outcome, commit, url, folder: place };
}

/**
 * Removes a staging branch that a run left, as one that was killed after its commit to main. Not
 * that of a run that makes the tier from other inputs meanwhile.
 */
async function removeLeftover(hub: Hub, { recipe }: TierDraft, branch: string): Promise<void> {
  const { repository } = recipe;
  const left = await hub.readBranch(repository, branch);
  if (left !== null && (await findLiveClaim(left, draftDigestOf(recipe))) === null)
    await hub.removeBranch(repository, branch);
}

/**
 * A tier that this run did not publish. Reads main again, because the commit may have been made
 * anyway.
 */
async function failedTier({ hub, states }: Publishing, draft: TierDraft): Promise<PublishedTier> {
  const { repository } = draft.recipe;
  const before: RemoteState = states.get(draft)!;
  const { head } = await hub.inspect(repository).catch(() => before);
  const url = `${hub.endpoint}/${repository}`;
  const { tier, place } = draft;
  return { tier, repository, outcome: "failed", commit: head, url, folder: place };
}
