import { readNotes } from "../card/kept-notes.ts";
import { cutCard, isBroken, noNotes } from "../card/notes.ts";
import { renderCard } from "../card/render.ts";
import { judge, limitsOf } from "../evaluation/gates.ts";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";
import { cardPath, type Hub, type Proposal, type RemoteState } from "../hub/hub-types.ts";
import type { Inputs } from "../inputs/inputs.ts";
import type { Receipt } from "../receipt/receipt.ts";
import { parseReceipt } from "../receipt/receipt-file.ts";
import { describeCommit } from "./commit-words.ts";
import { isCurrent } from "./current.ts";
import { type ForeignWork, findForeignWork, listPaths, refuseForeignWork } from "./foreign-work.ts";
import type { TierDraft } from "./recipes.ts";

/** A tier's repository as it is before a run. */
export interface TierState extends RemoteState {
  /** Files of others that stay as they are. */
  readonly kept: readonly string[];
  /**
   * Our pull request, where such take the place of commits and main is not what the run makes.
   * null: there is none.
   */
  readonly proposal: Proposal | null;
  /** What people wrote in the card on main, which a new card keeps. */
  readonly notes: string;
}

/** The repositories of a run's tiers. */
export type RemoteStates = ReadonlyMap<TierDraft, TierState>;

interface InspectRequest extends Pick<Inputs, "overwrite" | "gates"> {
  /** Whether pull requests take the place of commits to main. */
  readonly proposes: boolean;
  /** Files of the base: a tier has copies of some. */
  readonly baseFiles: ReadonlyMap<string, unknown>;
  readonly report: Pick<Report, "info" | "warn">;
}

/**
 * The state of every tier's repository. Throws NOT_OURS, unless told to overwrite, for a repository
 * that has files but no receipt, files that others changed, or a tier of another base. Tells which
 * files of others are kept or replaced.
 */
export async function inspectAll(
  hub: Hub,
  drafts: readonly TierDraft[],
  { overwrite, gates, proposes, baseFiles, report }: InspectRequest,
): Promise<RemoteStates> {
  const states = new Map<TierDraft, TierState>();
  for (const draft of drafts) {
    const { repository } = draft.recipe;
    const state = await inspectVisible(hub, repository);
    const work = findForeignWork(state, baseFiles);
    if (!overwrite) refuseForeign(draft, state, work);
    // Without sums, nothing tells the files of others from ours: told to overwrite, all go.
    const kept = state.sums === null ? [] : work.kept;
    const replaced = state.sums === null ? [...work.refused, ...work.kept] : work.refused;
    if (kept.length > 0) report.info(`${repository}: keeps files of others: ${listPaths(kept)}`);
    if (replaced.length > 0) report.info(`${repository}: will replace ${listPaths(replaced)}`);
    const notes = await readMainNotes(repository, state).catch((error: OqeError) => {
      if (!overwrite) throw error;
      report.warn(error.message);
      return noNotes;
    });
    const isOnMain = !proposes || receiptIn(draft, state, gates) !== null;
    const { title } = describeCommit(draft, "");
    const proposal = isOnMain ? null : await hub.inspectProposal(repository, title);
    states.set(draft, { ...state, kept, notes, proposal });
  }
  return states;
}

/** Throws BAD_INPUT for a card on main with broken markers, with its difference from ours. */
async function readMainNotes(repository: string, { card, receipt }: RemoteState): Promise<string> {
  if (card === null || receipt === null) return noNotes;
  const render = async () => renderCard(parseReceipt(receipt, repository));
  const made = isBroken(cutCard(card)) ? await render().catch(() => "") : "";
  return readNotes({ where: `${repository}/${cardPath}`, text: card }, made);
}

/**
 * The state of a repository. Without a token the Hub answers the same for a missing and for a
 * private one: it is taken as missing then.
 */
export async function inspectVisible(hub: Hub, repository: string): Promise<RemoteState> {
  try {
    return await hub.inspect(repository);
  } catch (error) {
    const isHidden = error instanceof OqeError && error.code === "UNAUTHORIZED";
    if (hub.access !== "none" || !isHidden) throw error;
    return { exists: false, head: null, files: new Map(), sums: null, receipt: null, card: null };
  }
}

/** Two bases of one name would replace each other in the same repository. */
function refuseForeign(
  { recipe: { repository, base } }: TierDraft,
  state: RemoteState,
  work: ForeignWork,
): void {
  const hint = "Choose another namespace, or set overwrite to replace its files.";
  const own = [...state.files.keys()].filter((path) => path !== ".gitattributes");
  if (own.length > 0 && state.receipt === null) {
    const what = `${repository} exists and has no receipt, so oqe-publisher did not make it`;
    throw new OqeError("NOT_OURS", what, hint);
  }
  if (state.receipt === null) return;
  const published = readBaseId(state.receipt, repository);
  if (published !== null && base.id !== null && published !== base.id) {
    const what = `${repository} holds a tier of ${published}, not of ${base.id}`;
    throw new OqeError("NOT_OURS", what, hint);
  }
  refuseForeignWork(repository, state, work);
}

/** null: the receipt cannot be read, or its base was a folder. */
function readBaseId(receipt: string, repository: string): string | null {
  try {
    return parseReceipt(receipt, repository).base.id;
  } catch {
    return null;
  }
}

/**
 * The receipt on main, or in our pull request, if it already has what the draft would make, and
 * passes today's gates; otherwise null. An unreadable receipt counts as another recipe.
 */
export function findPublished(
  draft: TierDraft,
  { proposal, ...main }: TierState,
  gates: Inputs["gates"],
): Receipt | null {
  const found = receiptIn(draft, main, gates);
  return found ?? (proposal && receiptIn(draft, proposal.state, gates));
}

function receiptIn(
  { recipe }: TierDraft,
  state: RemoteState,
  gates: Inputs["gates"],
): Receipt | null {
  if (state.receipt === null) return null;
  try {
    const published = parseReceipt(state.receipt, recipe.repository);
    const { evaluation, plan } = published;
    const judged = evaluation === null ? [] : judge(evaluation, limitsOf(gates, plan));
    const passes = judged.every(({ passed }) => passed);
    return passes && isCurrent(recipe, published, state) ? published : null;
  } catch {
    return null;
  }
}
