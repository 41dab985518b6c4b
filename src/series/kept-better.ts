import { changeTable } from "../card/change-rows.ts";
import { figuresOf } from "../card/machine-facts.ts";
import { estimate } from "../card/measured-figures.ts";
import { compareProofs } from "../evaluation/compare-proofs.ts";
import { OqeError } from "../ground/errors.ts";
import { reasonOf } from "../ground/reasons.ts";
import type { Receipt } from "../receipt/receipt.ts";
import { parseReceipt } from "../receipt/receipt-file.ts";

/** A tier that was made, against the one of its repository's main. */
export interface TierComparison {
  readonly tier: string;
  /** Whether the published tier is better beyond the error, so that it stays. */
  readonly isWorse: boolean;
  /** The result in one sentence. */
  readonly words: string;
  /** Both tiers side by side, as a Markdown table; empty if the published one cannot be read. */
  readonly table: string;
}

/**
 * Compares a tier with the published one: `published` is the receipt on main. null: there is none,
 * so there is nothing to keep.
 */
export function compareWithPublished(
  fresh: Receipt,
  published: string | null,
): TierComparison | null {
  if (published === null) return null;
  const { tier } = fresh.plan;
  let before: Receipt;
  try {
    before = parseReceipt(published, `the receipt of ${fresh.repository}`);
  } catch (error) {
    const words = `${tier}: not compared with the published tier: ${reasonOf(error)}`;
    return { tier, isWorse: false, words, table: "" };
  }
  const table = changeTable(["Published", "New"], [figuresOf(before), figuresOf(fresh)]);
  return { tier, table, ...judgeProofs(fresh, before) };
}

function judgeProofs(fresh: Receipt, before: Receipt): Omit<TierComparison, "tier" | "table"> {
  const { tier } = fresh.plan;
  const incomparable = (why: string) => {
    return { isWorse: false, words: `${tier}: not comparable with the published tier: ${why}` };
  };
  if (fresh.evaluation === null || before.evaluation === null)
    return incomparable("one of them has no evaluation");
  // Somebody asked for a smaller one: it must be worse.
  if (fresh.plan.targetBpw < before.plan.targetBpw)
    return incomparable(`its target is ${fresh.plan.targetBpw} bpw, not ${before.plan.targetBpw}`);
  const compared = compareProofs(fresh.evaluation, before.evaluation);
  if (compared.verdict === "not comparable") return incomparable(compared.why);
  const [kl, old] = [fresh, before].map(({ evaluation }) =>
    estimate(evaluation!.meanKl, evaluation!.meanKlError),
  );
  const isWorse = compared.verdict === "worse";
  const words = isWorse
    ? `${tier}: mean KL is ${kl}, worse than the published ${old} beyond the error of both`
    : `${tier}: mean KL is ${kl}, not worse than the published ${old} beyond the error of both`;
  return { isWorse, words };
}

/** The tiers that stay as published, as one error; null: none. */
export function keptFailure(comparisons: readonly TierComparison[]): OqeError | null {
  const worse = comparisons.filter(({ isWorse }) => isWorse);
  if (worse.length === 0) return null;
  return new OqeError(
    "GATE",
    worse.map(({ words }) => words).join("; "),
    "The published tier stays. To publish the new one anyway, start the workflow by hand: only " +
      "runs by schedule and by webhook keep the better one.",
  );
}
