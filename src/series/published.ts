import { judge, limitsOf } from "../evaluation/gates.ts";
import { OqeError } from "../ground/errors.ts";
import type { Hub, RemoteState } from "../hub/hub-types.ts";
import type { Inputs } from "../inputs/inputs.ts";
import type { Receipt } from "../receipt/receipt.ts";
import { parseReceipt } from "../receipt/receipt-file.ts";
import { isCurrent } from "./current.ts";
import type { TierDraft } from "./recipes.ts";

/** The repositories of a run's tiers, as they are before it. */
export type RemoteStates = ReadonlyMap<TierDraft, RemoteState>;

type InspectInputs = Pick<Inputs, "hubToken" | "overwrite">;

/**
 * The state of every tier's repository. Throws NOT_OURS, unless told to overwrite, for a repository
 * that has files but no receipt, or a tier of another base.
 */
export async function inspectAll(
  hub: Hub,
  drafts: readonly TierDraft[],
  { hubToken, overwrite }: InspectInputs,
): Promise<RemoteStates> {
  const states = new Map<TierDraft, RemoteState>();
  for (const draft of drafts) {
    const state = await inspect(hub, draft.recipe.repository, hubToken === null);
    if (!overwrite) refuseForeign(draft, state);
    states.set(draft, state);
  }
  return states;
}

/**
 * Without a token the Hub answers the same for a missing and for a private repository. A dry run
 * then takes it as missing.
 */
async function inspect(hub: Hub, repository: string, isAnonymous: boolean): Promise<RemoteState> {
  try {
    return await hub.inspect(repository);
  } catch (error) {
    const isHidden = error instanceof OqeError && error.code === "UNAUTHORIZED";
    if (!isAnonymous || !isHidden) throw error;
    return { exists: false, head: null, files: new Map(), receipt: null };
  }
}

/** Two bases of one name would replace each other in the same repository. */
function refuseForeign({ recipe: { repository, base } }: TierDraft, state: RemoteState): void {
  const hint = "Choose another namespace, or set overwrite to replace its files.";
  const own = [...state.files.keys()].filter((path) => path !== ".gitattributes");
  if (own.length > 0 && state.receipt === null) {
    const what = `${repository} exists and has no receipt, so oqe-publisher did not make it`;
    throw new OqeError("NOT_OURS", what, hint);
  }
  const published = state.receipt === null ? null : readBaseId(state.receipt, repository);
  if (published === null || base.id === null || published === base.id) return;
  throw new OqeError(
    "NOT_OURS",
    `${repository} holds a tier of ${published}, not of ${base.id}`,
    hint,
  );
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
 * The receipt on main if main already has what the draft would make, and passes today's gates;
 * otherwise null. An unreadable receipt counts as another recipe.
 */
export function findPublished(
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
